//! Runs a program of the system as a process, and reads its memory and CPU time. Used by the benchmarks.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use asu_tests::{deploy, exec, progress::Progress, target_dir};
use tokio::process::{Child, Command};

use super::Error;

/// Interval of checks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Builds the programs and returns their folder.
///
/// # Errors
/// cargo's error.
pub async fn programs(dev: bool) -> Result<PathBuf, Error> {
    if dev {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // With the same features as for tests, so that dependencies need not be compiled again.
        command.args([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            "asu-operator",
            "--bin",
            "asu-api",
        ]);
        command.current_dir(asu_tests::root());
        exec::run(command).await?;
    } else {
        // With the same profile as for the images.
        deploy::build_release(&deploy::PACKAGES, &Progress::new()).await?;
    }
    Ok(target_dir().join(profile(dev)))
}

/// Name of the measured cargo profile.
pub fn profile(dev: bool) -> &'static str {
    if dev { "debug" } else { "release" }
}

/// A running program. It is stopped when the value is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// Memory and CPU time of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Present resident memory in KiB.
    pub kib: u64,
    /// Peak resident memory in KiB.
    pub peak_kib: u64,
    /// CPU time.
    pub cpu: Duration,
}

impl Usage {
    /// Present resident memory in MiB.
    pub fn mib(&self) -> u64 {
        self.kib.div_ceil(1024)
    }

    /// Peak resident memory in MiB.
    pub fn peak_mib(&self) -> u64 {
        self.peak_kib.div_ceil(1024)
    }
}

impl Process {
    /// Starts the program, with its output in the file `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(mut command: Command, log: &Path) -> Result<Self, Error> {
        let failed =
            |error: std::io::Error| Error::Missing(format!("a program cannot be started: {error}"));
        let file = std::fs::File::create(log).map_err(failed)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .kill_on_drop(true);
        Ok(Self { child: command.spawn().map_err(failed)?, log: log.to_path_buf() })
    }

    /// Waits until a condition is true.
    ///
    /// # Errors
    /// When it is not true in time, or the program has exited.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        done: impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let end = Instant::now() + within;
        while !done().await {
            self.usage()?;
            if Instant::now() >= end {
                return Err(Error::Missing(format!("timed out while waiting for {what}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Present memory and CPU time.
    ///
    /// # Errors
    /// When the process has exited.
    pub fn usage(&self) -> Result<Usage, Error> {
        let gone = || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            Error::Missing(format!("the program exited; its last lines: {}", last_lines(&log)))
        };
        let pid = self.child.id().ok_or_else(gone)?;
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let status = read("status").map_err(|_| gone())?;
        let stat = read("stat").map_err(|_| gone())?;
        usage(&status, &stat).ok_or_else(gone)
    }
}

/// An HTTP client for servers on this machine.
///
/// # Errors
/// When it cannot be created.
pub fn http() -> Result<reqwest::Client, Error> {
    let client = reqwest::Client::builder().no_proxy().build();
    client.map_err(|error| Error::Missing(error.to_string()))
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Parses `/proc/PID/status` and `/proc/PID/stat`.
fn usage(status: &str, stat: &str) -> Option<Usage> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The name may contain anything, so fields are counted after it: state is field 3, utime field 14.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    // A hundred of them are a second, on every Linux that programs see.
    let cpu = Duration::from_millis(ticks.iter().sum::<u64>().saturating_mul(10));
    Some(Usage { kib: kib("VmRSS:")?, peak_kib: kib("VmHWM:")?, cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_cpu_time_are_parsed_from_proc() {
        let status = "Name:\tasu-operator\nVmHWM:\t  20480 kB\nVmRSS:\t  10241 kB\n";
        let stat = "7 (asu) operator) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 5 0 1 1 1\n";
        let read = usage(status, stat).unwrap();
        assert_eq!((read.mib(), read.peak_mib(), read.cpu), (11, 20, Duration::from_secs(2)));
        assert_eq!(usage("", stat), None);
    }
}
