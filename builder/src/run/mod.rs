//! Runs one command of an ImageBuilder: with a cleared environment, its own process group, and
//! bounded time and space. Every line of output goes to the log and the classifier. Used by `build`
//! and the warm-up.

mod log;
mod output;
mod processes;
mod usage;

use std::{
    fs::File,
    io::{self, PipeReader},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use asu_core::build_log::Stream;
use rustix::process::{Pid, Signal, kill_process_group};

pub use log::{DROPPED_NOTE, Log};
pub use processes::become_subreaper;
pub use usage::bytes_below;

use crate::confine::Confinement;

/// Interval of checks of a running command.
const TICK: Duration = Duration::from_millis(20);
/// Minimum interval of measurements of the work folder.
const MEASURE: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was killed by a signal that this program did not send.
    Signal(i32),
    /// It was killed at its deadline.
    TimedOut,
    /// It was killed at its deadline while it was downloading from these addresses.
    Stalled(Vec<String>),
    /// It was killed because the work folder was too large.
    NoSpace,
    /// It was killed because this program was asked to stop.
    Stopped,
}

/// Bounds of commands.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Commands are killed at this time.
    pub deadline: Instant,
    /// A folder and its maximum size, in bytes.
    pub space: Option<(PathBuf, u64)>,
    /// Set on SIGTERM, to end the running command.
    pub stop: Arc<AtomicBool>,
}

impl Bounds {
    /// Bounds with a deadline alone.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, space: None, stop: Arc::new(AtomicBool::new(false)) }
    }
}

/// Runs commands one after the other.
#[derive(Debug)]
pub struct Runner {
    /// This program, for its subcommand `confine`.
    pub builder: PathBuf,
    /// What each command is confined to.
    pub confinement: Confinement,
    /// Bounds of all commands together.
    pub bounds: Bounds,
    /// The commands' home.
    pub home: PathBuf,
    /// Log of all output.
    pub log: Arc<Log>,
    /// Whether to kill every descendant of this process after each command, also those that left
    /// its group. Only for a process without other children (see [`become_subreaper`]).
    pub reap: bool,
}

/// The end and the output of a command.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Exit,
    /// Its standard output, at most `output::MAX_CAPTURE` bytes.
    pub stdout: String,
}

impl Finished {
    /// Whether it ended with code 0.
    pub fn succeeded(&self) -> bool {
        self.ended == Exit::Code(0)
    }
}

impl Runner {
    /// Runs `argv` in `folder` and waits for its end.
    ///
    /// # Errors
    /// When the command could not be started.
    pub fn run(&self, folder: &Path, argv: &[String]) -> io::Result<Finished> {
        self.log.note(&format!("$ {}", argv.join(" ")));
        let (out, out_writer) = io::pipe()?;
        let (err, err_writer) = io::pipe()?;
        let mut child = self
            .command(folder, argv)
            .stdin(Stdio::null())
            .stdout(out_writer)
            .stderr(err_writer)
            .spawn()?;
        // `Command` is dropped, so the pipes' write ends in this process are closed and readers see
        // the end.
        let readers = [self.reader(out, Stream::Stdout), self.reader(err, Stream::Stderr)];
        let ended = self.wait(&mut child)?;
        kill_group(&child);
        if self.reap {
            processes::kill_descendants();
        }
        let [stdout, _] = readers.map(output::collect);
        self.note_end(&ended);
        Ok(Finished { ended, stdout })
    }

    fn command(&self, folder: &Path, argv: &[String]) -> Command {
        let mut command = Command::new(&self.builder);
        command.arg("confine");
        if !self.confinement.cpus.is_empty() {
            let list: Vec<String> = self.confinement.cpus.iter().map(ToString::to_string).collect();
            command.arg("--cpus").arg(list.join(","));
        }
        if self.confinement.no_network {
            command.arg("--no-network");
        }
        command
            .arg("--")
            .args(argv)
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .process_group(0);
        command
    }

    fn reader(&self, pipe: PipeReader, stream: Stream) -> JoinHandle<String> {
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || output::read(pipe, &log, stream))
    }

    fn wait(&self, child: &mut Child) -> io::Result<Exit> {
        let mut measure_at = Instant::now() + MEASURE;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, signal) => Exit::Signal(signal.unwrap_or(0)),
                });
            }
            let now = Instant::now();
            let mut verdict = None;
            if self.bounds.stop.load(Ordering::Relaxed) {
                verdict = Some(Exit::Stopped);
            } else if now >= self.bounds.deadline {
                verdict = Some(processes::downloads().map_or(Exit::TimedOut, Exit::Stalled));
            } else if now >= measure_at {
                verdict = self.is_full().then_some(Exit::NoSpace);
                // Measuring a large folder is slow: it may take at most a tenth of the time.
                measure_at = Instant::now() + MEASURE.max(now.elapsed() * 10);
            }
            if let Some(verdict) = verdict {
                kill_group(child);
                child.wait()?;
                return Ok(verdict);
            }
            std::thread::sleep(TICK);
        }
    }

    fn is_full(&self) -> bool {
        let space = self.bounds.space.as_ref();
        space.is_some_and(|(folder, most)| bytes_below(folder) > *most)
    }

    fn note_end(&self, ended: &Exit) {
        match ended {
            Exit::Code(0) => {}
            Exit::Code(code) => self.log.note_failure(&format!("exit code {code}")),
            Exit::Signal(signal) => self.log.note_failure(&format!("ended by signal {signal}")),
            Exit::TimedOut => self.log.note_failure("killed: it took too long"),
            Exit::Stalled(_) => self.log.note_failure("killed: a download took too long"),
            Exit::NoSpace => self.log.note_failure("killed: it used too much space"),
            Exit::Stopped => self.log.note_failure("killed: the pod is being stopped"),
        }
    }
}

fn kill_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // The group may already be empty.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Path of this program, for its subcommand `confine`.
///
/// # Errors
/// When the operating system does not provide it.
pub fn this_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// A log that goes to `file` and keeps at most `most` bytes.
pub fn log_to(file: File, most: u64) -> Arc<Log> {
    Arc::new(Log::new(Box::new(file), most))
}
