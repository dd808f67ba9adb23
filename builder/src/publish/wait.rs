//! Waits for the end of `build`: the kernel frees its lock however it ends. Meanwhile prints its
//! stages, forward only.

use std::{fs::File, time::Duration};

use asu_core::{
    plan::{BuildPlan, paths as names},
    stage::Stage,
};
use rustix::fs::{FlockOperation, flock};
use tokio::{sync::watch, time::Instant};

use crate::handover::Folder;

/// How often the lock and the stage are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long the beginning of `build` is waited for: the two containers start together.
const BEGINNING: Duration = Duration::from_mins(1);
/// What a build may take longer than its limit: it ends itself at the limit.
const GRACE: Duration = Duration::from_secs(30);

/// Turns true when the pod is being stopped.
pub type Stop = watch::Receiver<bool>;

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuildEnd {
    /// The lock is free.
    Free,
    /// There never was a lock.
    NeverBegan,
    /// The lock was held longer than any build may take.
    TooLong,
    /// The pod is being stopped.
    Stopped,
}

/// Follows one build.
pub(super) struct Watch<'a> {
    work: &'a Folder,
    longest: Duration,
    stage: Option<Stage>,
    /// Opened as early as it is there: later its name may lead to something else.
    log: Option<File>,
    /// As above.
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
            // The lock's file is made a moment before it is locked; the log comes after the lock.
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
