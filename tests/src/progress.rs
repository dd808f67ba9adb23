//! Lines that tell a waiting person what happens and how long it takes.

use std::future::Future;
use std::time::{Duration, Instant};

/// A step that is shorter than this and did what was already done is not worth a line of its own.
const WORTH_A_LINE: Duration = Duration::from_millis(200);
/// How often a long step says that it is still at it.
const STILL: Duration = Duration::from_secs(30);

/// Where progress goes: standard error, with the time since the start, or nowhere.
#[derive(Debug, Clone)]
pub struct Progress {
    started: Instant,
    quiet: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { started: Instant::now(), quiet: false }
    }
}

impl Progress {
    /// Prints to standard error; times count from now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Prints nothing.
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// Prints one line.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("[{:>6.1} s] {text}", self.started.elapsed().as_secs_f64());
        }
    }

    /// Awaits `work`, printing when it takes long and how long it took.
    pub async fn step<T, E>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let mut work = std::pin::pin!(work);
        let mut announced = false;
        let mut wait = WORTH_A_LINE;
        loop {
            if let Ok(result) = tokio::time::timeout(wait, work.as_mut()).await {
                self.ended(name, started, announced, result.is_ok());
                return result;
            }
            let elapsed = started.elapsed().as_secs();
            self.say(&if announced {
                format!("{name}: {elapsed} s so far")
            } else {
                format!("{name} …")
            });
            announced = true;
            wait = STILL;
        }
    }

    fn ended(&self, name: &str, started: Instant, announced: bool, succeeded: bool) {
        if announced || !succeeded {
            let how = if succeeded { "done" } else { "failed" };
            self.say(&format!("{name}: {how} after {:.1} s", started.elapsed().as_secs_f64()));
        }
    }
}
