//! What there is to do about a FirmwareBuild, and the bounds of its attempts.

use asu_core::{failure::Failure, result::BuildResult};
use jiff::{SignedDuration, Timestamp};

use super::facts::{Facts, Trouble};

/// Most attempts of one build: infrastructure failures are tried again twice.
pub const MAX_ATTEMPTS: u32 = 3;
/// Pause before another look at what no watch reports.
pub const SOON: SignedDuration = SignedDuration::from_secs(2);

/// The pause after an attempt.
pub fn pause(facts: &Facts, attempt: u32) -> Option<SignedDuration> {
    let doublings = attempt.saturating_sub(1).min(8);
    facts.policy.retry_pause.checked_mul(1 << doublings)
}

/// What a decision needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Is the object valid?
    Validity,
    /// What does the store hold?
    Stored,
    /// Is it this build's turn?
    Turn,
    /// Is its Secret there?
    Secret,
    /// Is the Job that its status names there?
    UnseenJob,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look this up and decide again.
    Look(Lookup),
    /// Put our finalizer on.
    AddFinalizer,
    /// Ask for the cache.
    CreateCache,
    /// It waits.
    Queue {
        /// When to look again, if no watch reports what it waits for.
        again: Option<SignedDuration>,
    },
    /// Start an attempt.
    CreateJob {
        /// Its number.
        attempt: u32,
    },
    /// An attempt runs.
    Running {
        /// Its Job.
        job: String,
        /// Its number.
        attempt: u32,
        /// What keeps it from running as it should.
        trouble: Option<Trouble>,
        /// When to look again.
        again: Option<SignedDuration>,
    },
    /// Somebody holds the Job of an attempt back.
    Suspended {
        /// Its Job.
        job: String,
        /// Its number.
        attempt: u32,
        /// When to look again, while its pod may still run.
        again: Option<SignedDuration>,
    },
    /// An attempt failed: that is told, and another follows unless it was the last.
    Failed {
        /// Its number.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// Its Job, when that still runs and is to be deleted.
        stop: Option<String>,
        /// When the next one begins, if that is known.
        next: Option<Timestamp>,
    },
    /// What an attempt left as the end of the build is none: it is taken back, and told why.
    TakeBack {
        /// Its number.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When the next one begins, if that is known.
        next: Option<Timestamp>,
    },
    /// Wait for what no watch reports.
    Wait(SignedDuration),
    /// Delete these Jobs and wait for their pods.
    StopJobs(Vec<String>),
    /// It ended with what the store holds.
    Archive(Box<BuildResult>),
    /// It ended without an image.
    Fail(Failure),
    /// It ended before it was accepted.
    Refuse(String),
    /// It ended before it was accepted, because so many older ones wait.
    TurnAway(usize),
    /// Delete the Jobs of an archived build.
    DeleteJobs(Vec<String>),
    /// Take our finalizer off.
    LetGo,
    /// Delete the object, whose time is over.
    DeleteObject,
    /// Nothing until it changes.
    Rest,
}
