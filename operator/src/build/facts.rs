//! What decisions about a FirmwareBuild depend on, as plain values.

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
    /// Its name.
    pub name: String,
    /// Its number, from 1.
    pub attempt: u32,
    /// Its state.
    pub state: JobState,
    /// State of its pod.
    pub pod: Option<PodState>,
    /// When it was created or last resumed, or its newest pod was created.
    pub created: Timestamp,
    /// Memory limits of its containers, by name.
    pub limits: Vec<(String, String)>,
    /// Whether somebody holds it back: `spec.suspend`.
    pub suspended: bool,
    /// Whether Kubernetes says that it ended the pod, which may be gone.
    pub disrupted: bool,
    /// Why its pod, which still runs, is about to end.
    pub ending: Option<String>,
    /// Folder of the tree that its pod mounts.
    pub tree: Option<String>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl JobFact {
    /// Whether it has a pod, or is to get one.
    pub fn is_under_way(&self) -> bool {
        self.state == JobState::Active && !self.suspended
    }
}

/// What keeps an attempt from running as it should: what its status says then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Word of a closed set.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

/// The build's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheFact {
    /// There is none.
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
        /// Where it lies.
        place: CachePlace,
        /// Image that it was warmed up in.
        image: String,
        /// How a build gets a tree that it may write to.
        workspace: Workspace,
    },
}

/// What is in the store about this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// The commit.
    Final(Box<BuildResult>),
    /// The end of the last attempt, which an infrastructure failure caused.
    Attempt(Box<BuildResult>),
    /// Something that may not be used.
    Bad(String),
}

/// Everything a decision depends on. `None` in the last group: not looked up.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts are independent of each other")]
pub struct Facts {
    /// Being deleted.
    pub deleted: bool,
    /// Cancelled by its spec.
    pub cancel: bool,
    /// May go without a record.
    pub abandon: bool,
    /// Has our finalizer.
    pub finalizer: bool,
    /// When it was created.
    pub created: Timestamp,
    /// Its status.
    pub status: FirmwareBuildStatus,
    /// Its Jobs.
    pub jobs: Vec<JobFact>,
    /// Whether a pod of it may still run.
    pub pods_alive: bool,
    /// Whether its pod said that the result is in the store.
    pub committed: bool,
    /// Whether it has a private first-boot script.
    pub private: bool,
    /// How many older ones wait, when it comes too late to be accepted.
    pub beyond: Option<usize>,
    /// Its cache, once it is resolved.
    pub cache: CacheFact,
    /// The present time.
    pub now: Timestamp,
    /// Bounds.
    pub policy: Policy,

    /// Whether it is valid.
    pub validity: Option<Result<Resolved, String>>,
    /// What the store holds.
    pub stored: Option<Stored>,
    /// Its place in the queue.
    pub turn: Option<Turn>,
    /// Whether its Secret is there.
    pub secret: Option<bool>,
    /// Whether the Job that its status names is there although the watch does not show it.
    pub unseen_job: Option<bool>,
}

impl Facts {
    /// Whether a Job of it is under way, or a pod of it may still run.
    pub fn runs(&self) -> bool {
        // One that the watch does not show yet is there.
        let unseen = self.unseen_job == Some(true);
        unseen || self.pods_alive || self.jobs.iter().any(JobFact::is_under_way)
    }
}

/// Bounds from the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a pod may take to start.
    pub start_timeout: SignedDuration,
    /// How long the Secret may take.
    pub defaults_timeout: SignedDuration,
    /// First pause before another attempt.
    pub retry_pause: SignedDuration,
    /// How long a succeeded object stays.
    pub ttl_succeeded: SignedDuration,
    /// How long a failed object stays.
    pub ttl_failed: SignedDuration,
}
