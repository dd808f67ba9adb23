//! Starts processes that outlive the command that started them, and finds and ends them later.
//!
//! Each process has an environment variable with the cluster's folder. It is used to find a process whose record was
//! not written because the command was interrupted.

use asu_core::digest::Digest;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::wait::{Look, until};
use super::{Error, files};
use crate::exec;

/// Environment variable of every process of a cluster, with the cluster's folder.
pub(super) const MARK: &str = "ASU_CLUSTER_PROCESS";
/// Time limit for a process to end after SIGTERM, and again after SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A process to start.
#[derive(Debug)]
pub(super) struct Spec {
    /// Name of its record and log.
    pub(super) name: String,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// Environment variables in addition to the caller's.
    pub(super) environment: BTreeMap<&'static str, OsString>,
    /// Network namespace to start it in.
    pub(super) netns: Option<PathBuf>,
}

/// Record of a started process. The start time distinguishes it from a later process with the same id.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    pid: i32,
    /// Field 22 of /proc/PID/stat, in clock ticks since boot.
    start_time: u64,
    /// Hash of its command line. With other arguments the process is restarted.
    identity: String,
}

/// The processes of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Processes {
    dir: PathBuf,
}

impl Processes {
    /// The processes of the cluster in `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Starts a process unless it runs already with the same command line. Returns whether it was started.
    pub(super) async fn ensure(&self, spec: &Spec) -> Result<bool, Error> {
        let identity = spec.identity();
        if let Some(record) = self.record(&spec.name)? {
            if is_alive(&record) && record.identity == identity {
                return Ok(false);
            }
            self.stop(&spec.name).await?;
        }
        let log = self.log(&spec.name);
        files::make_dir(&self.dir.join("logs"))?;
        let output = fs::File::create(&log).map_err(Error::io(&log))?;
        let errors = output.try_clone().map_err(Error::io(&log))?;
        let mut command = self.command(spec);
        command.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir(&self.dir);
        let child = command.spawn().map_err(Error::io(&spec.program))?;
        let pid = Pid::from_child(&child).as_raw_nonzero().get();
        // nsenter and setsid replace themselves, so the process keeps this number and start time.
        let record = Record { pid, start_time: start_time(pid).unwrap_or_default(), identity };
        let text = serde_json::to_string(&record).map_err(|error| Error::State {
            path: self.record_path(&spec.name),
            reason: error.to_string(),
        })?;
        files::write(&self.record_path(&spec.name), text)?;
        Ok(true)
    }

    fn command(&self, spec: &Spec) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(netns) = &spec.netns {
            // Not `ip netns exec`: it creates a mount namespace, in which the kubelet's mounts would be hidden.
            let mut net = OsString::from("--net=");
            net.push(netns);
            words.extend(["nsenter".into(), net]);
        }
        words.extend(["setsid".into(), spec.program.clone().into_os_string()]);
        words.extend(spec.arguments.iter().cloned());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(&spec.environment).env(MARK, &self.dir);
        command
    }

    /// Ends a process and removes its record. Does nothing if it does not run.
    pub(super) async fn stop(&self, name: &str) -> Result<(), Error> {
        if let Some(record) = self.record(name)?
            && is_alive(&record)
        {
            end(&[record.pid]).await?;
        }
        let path = self.record_path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Kills a process with SIGKILL.
    pub(super) async fn kill(&self, name: &str) -> Result<(), Error> {
        kill(&self.pid(name).into_iter().collect::<Vec<_>>()).await?;
        self.stop(name).await
    }

    /// Id of a running process.
    pub(super) fn pid(&self, name: &str) -> Option<i32> {
        let record = self.record(name).ok().flatten()?;
        is_alive(&record).then_some(record.pid)
    }

    /// Fails with the end of its log if a process does not run.
    pub(super) fn check(&self, name: &str) -> Result<(), Error> {
        if self.is_alive(name) {
            return Ok(());
        }
        let log = self.log(name);
        let text = fs::read(&log).unwrap_or_default();
        Err(Error::Ended {
            name: name.to_owned(),
            tail: exec::tail(&String::from_utf8_lossy(&text)).to_owned(),
            log,
        })
    }

    /// Whether a process runs.
    pub(super) fn is_alive(&self, name: &str) -> bool {
        self.pid(name).is_some()
    }

    /// Names of all processes that were started and not stopped.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.join("processes")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned)
            })
            .collect();
        names.sort();
        names
    }

    /// Ids of all running processes with the cluster's mark.
    pub(super) fn marked(&self) -> Vec<i32> {
        let mut mark = format!("{MARK}=").into_bytes();
        mark.extend(self.dir.as_os_str().as_bytes());
        all_pids()
            .into_iter()
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == mark)
            })
            .collect()
    }

    /// Ids of those that have this argument.
    pub(super) fn marked_with_argument(&self, argument: &OsStr) -> Vec<i32> {
        let given = |pid: &i32| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).any(|given| given == argument.as_bytes())
        };
        self.marked().into_iter().filter(given).collect()
    }

    /// Log file of a process.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.dir.join("processes").join(format!("{name}.json"))
    }

    fn record(&self, name: &str) -> Result<Option<Record>, Error> {
        let text = files::read(&self.record_path(name))?;
        // An unreadable record counts as missing: the process is found by its mark.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

impl Spec {
    fn identity(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.program.as_os_str().as_bytes());
        self.arguments.iter().for_each(|argument| part(argument.as_bytes()));
        for (name, value) in &self.environment {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        Digest::from_hasher(hash).to_string()
    }
}

/// Ends processes with SIGTERM and, after a grace period, with SIGKILL. Returns when none is left.
async fn end(pids: &[i32]) -> Result<(), Error> {
    match signal_and_wait(pids, Signal::TERM).await {
        Err(Error::Deadline { .. }) => kill(pids).await,
        result => result,
    }
}

/// Kills processes and returns when none is left.
pub(super) async fn kill(pids: &[i32]) -> Result<(), Error> {
    signal_and_wait(pids, Signal::KILL).await
}

async fn signal_and_wait(pids: &[i32], signal: Signal) -> Result<(), Error> {
    for pid in pids.iter().filter(|pid| runs(**pid)) {
        if let Some(pid) = Pid::from_raw(*pid) {
            // Fails if it has exited meanwhile, which is fine.
            let _ = kill_process(pid, signal);
        }
    }
    until("processes to end", GRACE, || async {
        let left: Vec<String> =
            pids.iter().filter(|pid| runs(**pid)).map(ToString::to_string).collect();
        Ok(if left.is_empty() {
            Look::Done(())
        } else {
            Look::Missing(format!("{} still run", left.join(" ")))
        })
    })
    .await
}

/// All process ids of this machine.
pub(super) fn all_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn is_alive(record: &Record) -> bool {
    runs(record.pid) && start_time(record.pid) == Some(record.start_time)
}

/// Whether a process runs. A zombie does not.
fn runs(pid: i32) -> bool {
    if let Some(child) = Pid::from_raw(pid) {
        // Reaps it if it is a child of this process; otherwise this fails.
        let _ = waitpid(Some(child), WaitOptions::NOHANG);
    }
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn start_time(pid: i32) -> Option<u64> {
    stat(pid).map(|(_, start_time)| start_time)
}

/// State and start time of a process. Fields are counted from the end of the name, which may contain spaces and
/// parentheses.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    Some((state, start_time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path, seconds: &str) -> (Processes, Spec) {
        let spec = Spec {
            name: "sleeper".to_owned(),
            program: "sleep".into(),
            arguments: vec![seconds.into()],
            environment: BTreeMap::new(),
            netns: None,
        };
        (Processes::new(dir), spec)
    }

    /// Waits for the mark, which is visible after the child's exec.
    async fn one_marked(processes: &Processes) {
        until("the mark", GRACE, || async {
            Ok(if processes.marked().len() == 1 {
                Look::Done(())
            } else {
                Look::Missing("no process".to_owned())
            })
        })
        .await
        .expect("one marked process");
    }

    #[tokio::test]
    async fn process_is_started_once_found_by_mark_and_ended() {
        let dir = tempfile::tempdir().expect("folder");
        let (processes, spec) = sleeper(dir.path(), "1000");
        assert!(processes.ensure(&spec).await.expect("start"));
        assert!(!processes.ensure(&spec).await.expect("second start"));
        processes.check("sleeper").expect("runs");
        one_marked(&processes).await;
        processes.stop("sleeper").await.expect("stop");
        assert!(processes.marked().is_empty());
        assert!(processes.names().is_empty());
    }

    #[tokio::test]
    async fn process_with_other_arguments_replaces_the_running_one() {
        let dir = tempfile::tempdir().expect("folder");
        let (processes, spec) = sleeper(dir.path(), "1000");
        processes.ensure(&spec).await.expect("start");
        let (_, other) = sleeper(dir.path(), "1001");
        assert!(processes.ensure(&other).await.expect("replacement"));
        one_marked(&processes).await;
        processes.stop("sleeper").await.expect("stop");
    }

    #[test]
    fn record_of_a_reused_process_number_is_not_alive() {
        let pid = i32::try_from(std::process::id()).expect("pid");
        let start = start_time(pid).expect("own start time");
        assert!(is_alive(&Record { pid, start_time: start, identity: String::new() }));
        assert!(!is_alive(&Record { pid, start_time: start + 1, identity: String::new() }));
    }
}
