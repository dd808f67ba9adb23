//! The decisions that `decide.rs` can return, for the controller and for the status.

use asu_core::result::PopulateResult;
use jiff::{SignedDuration, Timestamp};

use super::full_claim::FullClaim;

/// The next step of a cache, with what its status needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The tree is ready.
    Ready {
        /// Jobs and trees that are no longer needed.
        tidy: Vec<Cleanup>,
        /// Maximum requeue delay.
        again: Option<SignedDuration>,
    },
    /// Create a Job that fills the tree.
    Populate {
        /// Name of the Job.
        job: String,
        /// Folder of the tree that the new one replaces.
        replaces: Option<String>,
    },
    /// A former tree in the same folder is removed first.
    Clearing {
        /// Jobs to delete, in this order: first those that made the former tree, because their
        /// success must not count for the next one, and last the Job that removed it, once it has
        /// succeeded.
        jobs: Vec<String>,
    },
    /// A Job is filling the tree.
    Populating {
        /// Name of the Job.
        job: String,
        /// The problem of the Job, if it has one: a reason of a closed set, and a sentence.
        trouble: Option<(&'static str, String)>,
    },
    /// The tree that was ready is lost.
    Lost {
        /// What happened, for the status.
        message: String,
        /// Jobs of the lost tree, to be deleted.
        jobs: Vec<String>,
        /// When the tree is made again, if not at once.
        retry_at: Option<Timestamp>,
    },
    /// A claim that cannot be used must be deleted before a tree can be made.
    ClaimGoing {
        /// The claim, if the operator is to delete it.
        drop: Option<String>,
        /// Reason of the condition, of a closed set.
        reason: &'static str,
        /// What is wrong with the claim, for the status.
        message: String,
    },
    /// A Job has made the tree.
    Done {
        /// The result in the termination message of its pod.
        result: PopulateResult,
    },
    /// A Job has failed.
    Failed {
        /// Name of the Job.
        job: String,
        /// Reason of the condition, of a closed set.
        reason: String,
        /// Explanation for people, one sentence.
        message: String,
        /// When the next try begins.
        retry_at: Timestamp,
        /// Number of consecutive failures.
        failures: u32,
        /// The claim that is replaced by a larger one.
        full: Option<FullClaim>,
    },
    /// A failed tree waits for its next try.
    Waiting {
        /// When the next try begins.
        until: Timestamp,
    },
    /// The cache is suspended by its spec.
    Suspended,
    /// The Distribution does not exist or no longer lists the version.
    Orphaned,
}

/// Something to remove that is no longer needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// A Job that has ended.
    DeleteJob(String),
    /// A tree that no build uses any more.
    PruneTree {
        /// Folder of the tree.
        tree: String,
    },
}
