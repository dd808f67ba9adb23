//! Values that the repositories take and give.

use std::collections::BTreeMap;

use asu_core::{
    catalog::Distribution, digest::Digest, failure::Failure, request::Request,
    request_hash::RequestHash, result::Built,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is an image.
    Succeeded(Built),
    /// There is none, and why. A cancelled build failed with the reason `Cancelled`.
    Failed(Failure),
}

impl Ending {
    /// What was built.
    pub fn built(&self) -> Option<&Built> {
        match self {
            Self::Succeeded(built) => Some(built),
            Self::Failed(_) => None,
        }
    }

    /// Why there is no image.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Succeeded(_) => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}

/// When a build passed each point. Absent: it never got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildTimes {
    /// The object was created.
    pub created: Timestamp,
    /// It was accepted and waited for its turn.
    pub queued: Option<Timestamp>,
    /// It was given its turn.
    pub admitted: Option<Timestamp>,
    /// Its pod ran.
    pub started: Option<Timestamp>,
    /// It ended.
    pub finished: Timestamp,
}

/// Where the log of a build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Key in the artifact store ([`asu_core::result::store_keys`]); zstd.
    pub key: String,
    /// Bytes as stored.
    pub size: u64,
    /// Bytes before compression.
    pub text_bytes: u64,
    /// Whether the end was dropped.
    pub truncated: bool,
}

/// One line of a build's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEvent {
    /// When it happened.
    pub at: Timestamp,
    /// `Normal` or `Warning`, as in Kubernetes.
    pub kind: EventKind,
    /// CamelCase word.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Something went wrong.
    Warning,
}

impl EventKind {
    /// The word of the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Facts of a finished build that never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFacts {
    /// uid of the FirmwareBuild: one row each.
    pub uid: String,
    /// Hash of `request`.
    pub request_hash: RequestHash,
    /// The canonical request: of a first-boot script only digest and length.
    pub request: Request,
    /// Revision that it was validated with.
    pub version_code: String,
    /// Catalog revision that it was validated with.
    pub catalog_revision: i64,
    /// Number of its last attempt.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
    /// When it passed each point.
    pub times: BuildTimes,
    /// Until then its answer is given again.
    pub fresh_until: Timestamp,
    /// Until then its answer and files are there.
    pub keep_until: Timestamp,
    /// Its log.
    pub log: Option<LogRecord>,
    /// Milliseconds that each step took.
    pub millis: BTreeMap<String, u64>,
}

impl BuildFacts {
    /// Whether it has a private first-boot script: its answers and files are never cached by
    /// proxies.
    pub fn is_private(&self) -> bool {
        self.request.defaults.is_some()
    }
}

/// A build to archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArchive {
    /// What is kept of it.
    pub facts: BuildFacts,
    /// Its history so far, in order.
    pub events: Vec<BuildEvent>,
    /// The present time.
    pub archived_at: Timestamp,
}

/// What archiving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveOutcome {
    /// Written just now.
    Archived,
    /// It was there already; nothing was changed.
    AlreadyArchived,
}

/// An archived build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// What never changes.
    pub facts: BuildFacts,
    /// When it was archived.
    pub archived_at: Timestamp,
    /// When one of its files was last sent, as far as known.
    pub last_served: Option<Timestamp>,
    /// Present when its files are gone, even before `keep_until`: then it must not be answered as a
    /// success any more. Its list of files is empty.
    pub files_deleted_at: Option<Timestamp>,
    /// Present when its log is gone.
    pub log_deleted_at: Option<Timestamp>,
}

/// One file that clients may fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRecord {
    /// Plain file name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Digest, and so the ETag.
    pub sha256: Digest,
    /// Key in the artifact store.
    pub object_key: String,
    /// Request of the newest build that has it: its being served keeps the file for all of them.
    pub request_hash: RequestHash,
    /// Whether any build that has it has a private first-boot script.
    pub private: bool,
    /// When the first of its builds ended, for `Last-Modified`.
    pub finished_at: Timestamp,
    /// Until then at least one of its builds keeps the file.
    pub keep_until: Timestamp,
}

/// A history row whose time is over, with the objects to delete before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDeletion {
    /// uid of the build.
    pub uid: String,
    /// Keys in the artifact store: log and results of every attempt.
    pub object_keys: Vec<String>,
}

/// The catalog as the database holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Number that grows by one with every change of any distribution.
    pub revision: i64,
    /// Distributions by name.
    pub distributions: Vec<Distribution>,
}

/// What a write of the catalog did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogWrite {
    /// Revision of the distribution afterwards.
    pub revision: i64,
    /// Whether anything changed.
    pub changed: bool,
}

/// What the API counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum CounterKind {
    /// A POST.
    Request,
    /// A POST that a finished build answered.
    CacheHit,
    /// A POST that created a build.
    CacheMiss,
    /// A file was sent.
    Served,
}

impl CounterKind {
    /// The word of the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Something that happened `count` times until `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Time of the last occurrence.
    pub at: Timestamp,
    /// What happened.
    pub kind: CounterKind,
    /// For which request; none for totals.
    pub request_hash: Option<RequestHash>,
    /// How often.
    pub count: u32,
}
