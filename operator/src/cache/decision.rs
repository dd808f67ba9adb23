//! What there is to do about a cache.

use asu_core::result::PopulateResult;
use jiff::{SignedDuration, Timestamp};

/// What to do, and what the status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The tree is ready.
    Ready {
        /// What is left to tidy.
        tidy: Vec<Tidy>,
        /// When to look again, at the latest.
        again: Option<SignedDuration>,
    },
    /// Start a Job.
    Populate {
        /// Its name.
        job: String,
        /// Folder of the tree that it replaces.
        replaces: Option<String>,
    },
    /// A former tree at the very place is removed first.
    Clearing {
        /// Jobs to delete, in this order: those that made the former tree, whose success must not be
        /// taken for that of the next one, and last the one that removed it, once it has.
        jobs: Vec<String>,
    },
    /// A Job is under way.
    Populating {
        /// Its name.
        job: String,
        /// What keeps it from running as it should: a word of a closed set, and a sentence.
        trouble: Option<(&'static str, String)>,
    },
    /// The tree that was ready is not there any more.
    Lost {
        /// What happened.
        message: String,
        /// Jobs that were about it.
        jobs: Vec<String>,
        /// When it is made anew, if not at once.
        retry_at: Option<Timestamp>,
    },
    /// A claim that is of no use is waited for to go.
    ClaimGoing {
        /// The claim, when it is to be deleted first.
        drop: Option<String>,
        /// What is wrong with it.
        message: String,
    },
    /// A Job made the tree.
    Done {
        /// What it reported.
        result: PopulateResult,
    },
    /// A Job failed.
    Failed {
        /// Its name.
        job: String,
        /// Word of a closed set.
        reason: String,
        /// One sentence.
        message: String,
        /// When it is tried again.
        retry_at: Timestamp,
        /// Failures in a row.
        failures: u32,
    },
    /// A failure is not tried again yet.
    Waiting {
        /// When it is.
        until: Timestamp,
    },
    /// The Distribution or the version is gone.
    Orphaned,
}

/// Something that is no longer needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidy {
    /// A Job that did its work.
    DeleteJob(String),
    /// A tree that no build uses any more.
    PruneTree {
        /// Its folder.
        tree: String,
    },
}
