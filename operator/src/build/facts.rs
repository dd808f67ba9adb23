//! What decisions about a FirmwareBuild depend on, as plain values. Filled by `dereference.rs`,
//! read by the pure modules; nothing here makes a call.

use asu_core::{plan::Workspace, result::BuildResult};
use asu_crds::{CachePlace, FirmwareBuildStatus, Resolved};
use jiff::{SignedDuration, Timestamp};

use crate::{
    pods::verdict::{JobState, PodState},
    queue::Turn,
};

/// A Job of this build (its ownerReference has the uid).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFact {
    /// Name of the Job.
    pub name: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// State of the Job, from its conditions.
    pub state: JobState,
    /// State of its pod.
    pub pod: Option<PodState>,
    /// When it was created or last resumed, or its newest pod was created.
    pub created: Timestamp,
    /// Memory limits of its containers, by name.
    pub limits: Vec<(String, String)>,
    /// Whether it is suspended: `spec.suspend`.
    pub suspended: bool,
    /// Whether the Job failed by its rule for disrupted pods. The pod itself may be gone.
    pub disrupted: bool,
    /// Why its running pod is about to be ended, for example an eviction.
    pub ending: Option<String>,
    /// Folder of the ImageBuilder tree that its pod mounts.
    pub tree: Option<String>,
    /// When the Job or its pod ended.
    pub ended: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl JobFact {
    /// Whether it has a pod or will get one.
    pub fn is_under_way(&self) -> bool {
        self.state == JobState::Active && !self.suspended
    }
}

/// A problem of a running attempt, for the object's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Reason of the condition, in CamelCase, of a closed set.
    pub reason: &'static str,
    /// Explanation for people, one sentence.
    pub message: String,
}

/// The build's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheFact {
    /// No such object exists.
    Absent,
    /// It is being deleted.
    Deleting,
    /// It has no tree yet.
    NotReady {
        /// Failures in a row.
        failures: u32,
        /// When the last of them was.
        failed_at: Option<Timestamp>,
        /// Its reason.
        reason: String,
    },
    /// Its tree is ready.
    Ready {
        /// Claim and folder of the tree.
        place: CachePlace,
        /// Builder image that the tree was warmed up with.
        image: String,
        /// How a build gets a tree that it may write to.
        workspace: Workspace,
    },
}

/// Why a build is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unaccepted {
    /// It is refused for good.
    Refused(String),
    /// It requires a revision that was not read from upstream yet; contains one sentence.
    NotReadYet(String),
}

/// A revision that a build requires and that the catalog does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoughtRevision {
    /// Upstream is asked, or its answer cannot be used yet.
    Awaited,
    /// Upstream does not have it either; contains one sentence.
    Lacking(String),
}

/// What the artifact store holds of this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// The final result.
    Final(Box<BuildResult>),
    /// The result of the last attempt, which ended with an infrastructure failure.
    Attempt(Box<BuildResult>),
    /// An invalid result, with the reason.
    Bad(String),
}

/// Everything a decision depends on. In the last group, `None` means that the fact was not looked
/// up yet.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts are independent of each other")]
pub struct Facts {
    /// Whether the object has a deletionTimestamp.
    pub deleted: bool,
    /// Whether `spec.cancel` is set.
    pub cancel: bool,
    /// Whether the object may be deleted without a record (annotation `ABANDON_RECORD`).
    pub abandon: bool,
    /// Whether the object has the operator's finalizer.
    pub finalizer: bool,
    /// The object's creationTimestamp.
    pub created: Timestamp,
    /// The object's status, as last read or written.
    pub status: FirmwareBuildStatus,
    /// The Jobs that the object owns.
    pub jobs: Vec<JobFact>,
    /// Whether any of its pods may still run.
    pub pods_alive: bool,
    /// Whether the log of its pod states that the result is in the store.
    pub committed: bool,
    /// Whether it has a private first-boot script.
    pub private: bool,
    /// Number of older waiting builds, when there are too many for this one to be accepted.
    pub beyond: Option<usize>,
    /// Its cache, once it is resolved.
    pub cache: CacheFact,
    /// The current time, in whole seconds.
    pub now: Timestamp,
    /// Timeouts and pauses from the settings.
    pub policy: Policy,

    /// What the build was resolved to, or why it is not accepted.
    pub validity: Option<Result<Resolved, Unaccepted>>,
    /// Whether upstream has the requested revision.
    pub revision: Option<SoughtRevision>,
    /// What the artifact store holds.
    pub stored: Option<Stored>,
    /// The queue's answer.
    pub turn: Option<Turn>,
    /// Whether its Secret exists.
    pub secret: Option<bool>,
    /// Whether the Job that the status names exists although the watch does not show it.
    pub unseen_job: Option<bool>,
}

impl Facts {
    /// Whether one of its Jobs is active or one of its pods may still run.
    pub fn runs(&self) -> bool {
        // The API server has a Job that the watch does not show yet.
        let unseen = self.unseen_job == Some(true);
        unseen || self.pods_alive || self.jobs.iter().any(JobFact::is_under_way)
    }
}

/// Timeouts and pauses from the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Maximum time until a pod starts.
    pub start_timeout: SignedDuration,
    /// Maximum time until the Secret of a private build exists.
    pub defaults_timeout: SignedDuration,
    /// Pause before the second attempt; it doubles with each further one.
    pub retry_pause: SignedDuration,
    /// How long the object of an archived success is kept.
    pub ttl_succeeded: SignedDuration,
    /// How long the object of an archived failure is kept.
    pub ttl_failed: SignedDuration,
}
