//! Waits for the end of `build`: the kernel releases its lock however it ends. Meanwhile it prints
//! the stages of the build, which only advance. Called by `publish/mod.rs`.

use std::{fs::File, time::Duration};

use asu_core::{
    plan::{BuildPlan, paths as names},
    stage::Stage,
};
use rustix::fs::{FlockOperation, flock};
use tokio::{sync::watch, time::Instant};

use crate::handover::Folder;

/// Interval of checks of the lock and the stage.
const TICK: Duration = Duration::from_millis(50);
/// Maximum time until `build` starts: the two containers start together.
const BEGINNING: Duration = Duration::from_mins(1);
/// Time that is waited beyond the limit of a build: it ends itself at the limit.
const GRACE: Duration = Duration::from_secs(30);

/// Turns true when the pod is being stopped.
pub type Stop = watch::Receiver<bool>;

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuildEnd {
    /// The lock is free.
    Free,
    /// `build` did not start in time.
    NeverBegan,
    /// The lock was held beyond the limit of the build.
    TooLong,
    /// The pod is being stopped.
    Stopped,
}

/// The state of waiting for one build.
pub(super) struct Watch<'a> {
    work: &'a Folder,
    longest: Duration,
    stage: Option<Stage>,
    /// Opened as soon as it exists: later its name may refer to another file.
    log: Option<File>,
    /// Opened as soon as it exists, like the log.
    lock: Option<File>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(work: &'a Folder, plan: &BuildPlan) -> Self {
        Self {
            work,
            longest: Duration::from_secs(plan.limits.seconds) + GRACE,
            stage: None,
            log: None,
            lock: None,
        }
    }

    pub(super) async fn wait(&mut self, stop: &Stop) -> BuildEnd {
        let begun = Instant::now();
        loop {
            self.print_stage();
            if self.log.is_none() {
                self.log = self.work.file(names::LOG).ok();
            }
            if self.lock.is_none() {
                self.lock = self.work.file(names::LOCK).ok();
            }
            // The lock file exists a moment before it is locked; the log is created after the lock.
            if let (Some(lock), Some(_)) = (&self.lock, &self.log) {
                if flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    self.print_stage();
                    return BuildEnd::Free;
                }
            } else if begun.elapsed() > BEGINNING {
                return BuildEnd::NeverBegan;
            }
            if begun.elapsed() > self.longest + BEGINNING {
                return BuildEnd::TooLong;
            }
            if *stop.borrow() {
                return BuildEnd::Stopped;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    pub(super) fn take_log(self) -> Option<File> {
        self.log
    }

    fn print_stage(&mut self) {
        let Ok(bytes) = self.work.read(names::STAGE, 64) else {
            return;
        };
        let stage = std::str::from_utf8(&bytes).ok().and_then(|word| Stage::parse(word.trim_end()));
        if let Some(stage) = stage.filter(|stage| Some(*stage) > self.stage) {
            println!("{}", stage.log_line());
            self.stage = Some(stage);
        }
    }
}
