//! The operator as a process, and what the kernel counts of it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use asu_tests::{exec, ports, target_dir};
use tokio::process::{Child, Command};

use super::{super::Error, world::World};

/// Longest wait for its start.
const READY: Duration = Duration::from_mins(1);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Builds the operator and says where it is.
///
/// # Errors
/// What cargo said.
pub async fn program(dev: bool) -> Result<PathBuf, Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet"]).current_dir(asu_tests::root());
    if dev {
        // With the features that the tests are built with.
        command.args(["--workspace", "--bin", "asu-operator"]);
    } else {
        // As for the images.
        command.args(["--release", "--package", "asu-operator"]);
        command.args(["--package", "asu-api", "--package", "asu-builder"]);
    }
    exec::run(command).await?;
    Ok(target_dir().join(if dev { "debug" } else { "release" }).join("asu-operator"))
}

/// A running operator, which ends with this value.
pub struct Leader {
    child: Child,
    log: PathBuf,
    metrics: String,
    http: reqwest::Client,
}

/// What it took until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory.
    pub mib: u64,
    /// Most of it since the start.
    pub peak_mib: u64,
    /// Time on a processor.
    pub cpu: Duration,
}

impl Leader {
    /// Starts it and waits until it leads.
    ///
    /// # Errors
    /// It did not start.
    pub async fn start(program: &Path, world: &World, builds: usize) -> Result<Self, Error> {
        let io = |error: std::io::Error| Error::Missing(format!("the operator: {error}"));
        let [port] = ports::free().map_err(io)?;
        let log_path = world.folder().join("operator.log");
        let log = std::fs::File::create(&log_path).map_err(io)?;
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", world.kubeconfig())
            .env("ASU_LOG", "warn")
            .env("ASU_DATABASE_URL", world.database_url())
            .args(["run", "--namespace=default", "--pod-name=bench", "--builder-image=builder:1"])
            .args(["--cache-claim-mode=shared"])
            // However full this machine's disk is.
            .args(["--store-low-water=98", "--store-high-water=99", "--store-pause=100"])
            .arg(format!("--max-pending={}", builds.saturating_mul(2)))
            .arg(format!("--store-url=file://{}", world.store().display()))
            .arg(format!("--listen=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(io)?)
            .stderr(log)
            .kill_on_drop(true);
        let child = command.spawn().map_err(io)?;
        let metrics = format!("http://127.0.0.1:{port}/metrics");
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(|error| Error::Missing(error.to_string()))?;
        let leader = Self { child, log: log_path, metrics, http };
        leader
            .until("the operator to lead", READY, async || {
                leader.metric("asu_operator_leader").await == Some(1)
            })
            .await?;
        Ok(leader)
    }

    /// Waits until all builds but those that run wait for their turn.
    ///
    /// # Errors
    /// They do not within that time.
    pub async fn waiting(&self, builds: usize, within: Duration) -> Result<(), Error> {
        let all = i64::try_from(builds).unwrap_or(i64::MAX);
        self.until("all builds to wait", within, async || {
            let waiting = self.metric("asu_operator_queue_waiting").await;
            let running = self.metric("asu_operator_queue_running").await;
            waiting.zip(running).is_some_and(|(waiting, running)| waiting + running >= all)
        })
        .await
    }

    async fn metric(&self, name: &str) -> Option<i64> {
        let text = self.http.get(&self.metrics).send().await.ok()?.text().await.ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    async fn until(
        &self,
        what: &str,
        within: Duration,
        done: impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let end = Instant::now() + within;
        while !done().await {
            self.usage()?;
            if Instant::now() >= end {
                let waiting = self.metric("asu_operator_queue_waiting").await;
                return Err(Error::Missing(format!("waited for {what}; {waiting:?} wait")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What the kernel counts of it now.
    ///
    /// # Errors
    /// It is gone.
    pub fn usage(&self) -> Result<Usage, Error> {
        let gone = || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            Error::Missing(format!("the operator ended, and said last: {}", last_lines(&log)))
        };
        let pid = self.child.id().ok_or_else(gone)?;
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let status = read("status").map_err(|_| gone())?;
        let stat = read("stat").map_err(|_| gone())?;
        usage(&status, &stat).ok_or_else(gone)
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Reads `/proc/PID/status` and `/proc/PID/stat`.
fn usage(status: &str, stat: &str) -> Option<Usage> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // After the name, which may hold anything: state is the third field, utime the 14th.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
    // A hundred of them are a second, on every Linux that programs see.
    let cpu = Duration::from_millis(ticks.iter().sum::<u64>().saturating_mul(10));
    Some(Usage { mib: kib("VmRSS:")?.div_ceil(1024), peak_mib: kib("VmHWM:")?.div_ceil(1024), cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_as_the_kernel_writes_them() {
        let status = "Name:\tasu-operator\nVmHWM:\t  20480 kB\nVmRSS:\t  10241 kB\n";
        let stat = "7 (asu) operator) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 5 0 1 1 1\n";
        let expected = Usage { mib: 11, peak_mib: 20, cpu: Duration::from_secs(2) };
        assert_eq!(usage(status, stat), Some(expected));
        assert_eq!(usage("", stat), None);
    }
}
