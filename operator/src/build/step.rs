//! The steps that a decision about a FirmwareBuild can return, the look-ups it can ask for, and the
//! bounds of attempts.

use asu_core::{failure::Failure, result::BuildResult};
use jiff::{SignedDuration, Timestamp};

use super::facts::{Facts, Trouble};

/// Maximum number of attempts of one build: infrastructure failures are retried twice.
pub const MAX_ATTEMPTS: u32 = 3;
/// Requeue delay for changes that no watch reports.
pub const SOON: SignedDuration = SignedDuration::from_secs(2);

/// The pause after an attempt: it doubles with each. `None` on overflow.
pub fn pause(facts: &Facts, attempt: u32) -> Option<SignedDuration> {
    let doublings = attempt.saturating_sub(1).min(8);
    facts.policy.retry_pause.checked_mul(1 << doublings)
}

/// A fact that a decision needs and that must be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Whether the object is valid.
    Validity,
    /// Whether upstream has the revision that the build requires.
    Revision,
    /// What the artifact store holds.
    Stored,
    /// Whether it is this build's turn in the queue.
    Turn,
    /// Whether its Secret exists.
    Secret,
    /// Whether the Job that its status names exists.
    UnseenJob,
}

/// The next step of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look this up and decide again.
    Look(Lookup),
    /// Add the operator's finalizer.
    AddFinalizer,
    /// Create the cache that the build needs.
    CreateCache,
    /// Write that the build waits.
    Queue {
        /// Requeue delay, if no watch reports what the build waits for.
        again: Option<SignedDuration>,
    },
    /// Create the Job of an attempt.
    CreateJob {
        /// Number of the attempt.
        attempt: u32,
    },
    /// Write that an attempt runs.
    Running {
        /// Name of its Job.
        job: String,
        /// Number of the attempt.
        attempt: u32,
        /// The problem of the attempt, if it has one.
        trouble: Option<Trouble>,
        /// Requeue delay.
        again: Option<SignedDuration>,
    },
    /// Write that the Job of an attempt is suspended.
    Suspended {
        /// Name of its Job.
        job: String,
        /// Number of the attempt.
        attempt: u32,
        /// Requeue delay, while its pod may still run.
        again: Option<SignedDuration>,
    },
    /// Write that an attempt failed. Another follows unless it was the last.
    Failed {
        /// Number of the attempt.
        attempt: u32,
        /// Why it failed.
        failure: Failure,
        /// Its Job, if that is still active and must be deleted.
        stop: Option<String>,
        /// When the next attempt begins, if known.
        next: Option<Timestamp>,
    },
    /// Delete the result that an attempt committed, after writing why it does not count.
    TakeBack {
        /// Number of the attempt.
        attempt: u32,
        /// Why it failed.
        failure: Failure,
        /// When the next attempt begins, if known.
        next: Option<Timestamp>,
    },
    /// Repeat the pass after this time.
    Wait(SignedDuration),
    /// Delete these Jobs and wait for their pods.
    StopJobs(Vec<String>),
    /// End the build with this result from the artifact store.
    Archive(Box<BuildResult>),
    /// End the build with this failure.
    Fail(Failure),
    /// Refuse the build, which was never accepted.
    Refuse(String),
    /// Write that upstream is asked for the required revision; contains one sentence.
    AwaitRevision(String),
    /// Refuse the build, which requires a revision that upstream does not have.
    RefuseRevision(String),
    /// Refuse the build because this many older builds wait.
    TurnAway(usize),
    /// Delete the Jobs of an archived build.
    DeleteJobs(Vec<String>),
    /// Remove the operator's finalizer.
    RemoveFinalizer,
    /// Delete the archived object, whose time to live is over.
    DeleteObject,
    /// Do nothing until the object changes.
    Rest,
}
