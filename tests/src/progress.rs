//! Progress messages of long steps for the person at the terminal, with durations.

use std::future::Future;
use std::time::{Duration, Instant};

/// Steps that take less than this print nothing, unless they fail.
const WORTH_A_LINE: Duration = Duration::from_millis(200);
/// Interval of the messages of a long step.
const STILL: Duration = Duration::from_secs(30);

/// Prints progress to standard error with the time since the start, or nothing.
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
    /// Prints to standard error. Times count from now.
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

    /// Awaits `work`. Prints a message when it takes long, and its duration at the end.
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
