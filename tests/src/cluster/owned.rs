//! Servers that are stopped when their value is dropped, or when the process ends.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::Error;
use crate::exec;

/// A running server. Dropping the value stops it.
///
/// Linux sends the signal of `setpriv --pdeathsig` when the *thread* that started the child ends, so each child has a
/// thread of its own that starts it and then waits for it. When the whole process is killed, the children go too.
#[derive(Debug)]
pub(super) struct Owned {
    name: String,
    pid: Pid,
    log: PathBuf,
    waiter: Option<JoinHandle<std::io::Result<ExitStatus>>>,
}

impl Owned {
    /// Starts a program whose output goes to `<dir>/<name>.log`.
    pub(super) fn start(
        name: &str,
        program: &Path,
        arguments: Vec<OsString>,
        dir: &Path,
    ) -> Result<Self, Error> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Error::io(&log))?;
        let errors = output.try_clone().map_err(Error::io(&log))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir(dir);
        let (sender, receiver) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return Ok(ExitStatus::default());
                }
            };
            let _ = sender.send(Ok(Pid::from_child(&child)));
            child.wait()
        });
        let started =
            receiver.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()));
        let pid = started.map_err(Error::io("setpriv"))?;
        Ok(Self { name: name.to_owned(), pid, log, waiter: Some(waiter) })
    }

    /// Fails with the end of its log if the server has exited.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.waiter.as_ref().is_some_and(|waiter| !waiter.is_finished()) {
            return Ok(());
        }
        let text = std::fs::read(&self.log).unwrap_or_default();
        let tail = exec::tail(&String::from_utf8_lossy(&text)).to_owned();
        Err(Error::Ended { name: self.name.clone(), log: self.log.clone(), tail })
    }

    /// Its process id.
    #[cfg(test)]
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal, for tests that stop or kill a server.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Error> {
        kill_process(self.pid, signal).map_err(|error| Error::io(&self.log)(error.into()))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else {
            return;
        };
        // While the waiter runs, the child is not reaped, so its pid cannot belong to another process.
        if !waiter.is_finished() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
        let _ = waiter.join();
    }
}
