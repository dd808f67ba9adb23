//! Parameters and results of the methods of [`crate::PgStore`]. Plain values without SQL types.

use std::{collections::BTreeMap, sync::Arc};

use asu_core::{
    catalog::Distribution, catalog_documents::CatalogDocuments, digest::Digest, failure::Failure,
    request::Request, request_hash::RequestHash, result::Built,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It made images.
    Succeeded(Built),
    /// It made none, for this reason. A cancelled build has the reason `Cancelled`.
    Failed(Failure),
}

impl Ending {
    /// The files of a success and what is known of them.
    pub fn built(&self) -> Option<&Built> {
        match self {
            Self::Succeeded(built) => Some(built),
            Self::Failed(_) => None,
        }
    }

    /// The failure of a build that made no image.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Succeeded(_) => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}

/// Times of a build's state changes. A state that it never reached is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildTimes {
    /// Creation of the FirmwareBuild.
    pub created: Timestamp,
    /// It was accepted and entered the queue.
    pub queued: Option<Timestamp>,
    /// It was admitted: it got a place.
    pub admitted: Option<Timestamp>,
    /// Its pod started.
    pub started: Option<Timestamp>,
    /// It succeeded, failed or was cancelled.
    pub finished: Timestamp,
}

/// The stored log of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Object key ([`asu_core::result::store_keys`]); the object is compressed with zstd.
    pub key: String,
    /// Size of the object in bytes.
    pub size: u64,
    /// Bytes before compression.
    pub text_bytes: u64,
    /// Whether lines at the end were dropped because the log was too large.
    pub truncated: bool,
}

/// One event of a build's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEvent {
    /// When it happened.
    pub at: Timestamp,
    /// `Normal` or `Warning`, as in Kubernetes.
    pub kind: EventKind,
    /// Machine-readable reason in CamelCase.
    pub reason: String,
    /// Human-readable sentence.
    pub message: String,
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum EventKind {
    /// Expected progress.
    Normal,
    /// A problem.
    Warning,
}

impl EventKind {
    /// The value of the database column.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Immutable facts of a finished build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFacts {
    /// uid of the FirmwareBuild; the primary key of the row.
    pub uid: String,
    /// Hash of `request`.
    pub request_hash: RequestHash,
    /// The canonical request: of a first-boot script only digest and length.
    pub request: Request,
    /// OpenWrt revision of the target when the build was accepted.
    pub version_code: String,
    /// Catalog revision when the build was accepted.
    pub catalog_revision: i64,
    /// Number of its last attempt, counted from 1; 0 when no Job was created.
    pub attempt: u32,
    /// Its files or its failure.
    pub ending: Ending,
    /// Times of its state changes.
    pub times: BuildTimes,
    /// The stored answer is served until this time; a later request starts another build.
    pub fresh_until: Timestamp,
    /// Its answer and files are kept until this time.
    pub keep_until: Timestamp,
    /// Its log, if one was stored.
    pub log: Option<LogRecord>,
    /// Duration of each step in milliseconds, by the step's name.
    pub millis: BTreeMap<String, u64>,
}

impl BuildFacts {
    /// Whether it has a private first-boot script. Proxies must not cache its answers and files.
    pub fn is_private(&self) -> bool {
        self.request.defaults.is_some()
    }
}

/// A finished build to archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArchive {
    /// The content of its row.
    pub facts: BuildFacts,
    /// Its history so far, oldest first.
    pub events: Vec<BuildEvent>,
    /// The present time, from the clock of the leader.
    pub archived_at: Timestamp,
}

/// Result of archiving a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveOutcome {
    /// This call wrote the row.
    Archived,
    /// The row existed already; nothing was changed.
    AlreadyArchived,
}

/// An archived build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// The immutable part of the row.
    pub facts: BuildFacts,
    /// When it was archived, by the clock of the leader.
    pub archived_at: Timestamp,
    /// When one of its files was last sent. Lags behind: the operator adds up the API's counters.
    pub last_served: Option<Timestamp>,
    /// When its files were deleted, possibly before `keep_until`. When present, the build must not
    /// be answered as a success, and its list of files is empty.
    pub files_deleted_at: Option<Timestamp>,
    /// When its log was deleted.
    pub log_deleted_at: Option<Timestamp>,
}

/// One file that clients may download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRecord {
    /// Plain file name.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest, and so the ETag.
    pub sha256: Digest,
    /// Key in the artifact store.
    pub object_key: String,
    /// Request of the newest build that has it: its being served keeps the file for all of them.
    pub request_hash: RequestHash,
    /// Whether any build that has it has a private first-boot script.
    pub private: bool,
    /// When the first build with this file ended, for `Last-Modified`.
    pub finished_at: Timestamp,
    /// The latest `keep_until` of the builds with this file.
    pub keep_until: Timestamp,
}

/// An expired build whose log and results are to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDeletion {
    /// uid of the build.
    pub uid: String,
    /// Object keys of the logs and results of all its attempts.
    pub object_keys: Vec<String>,
}

/// The catalog as stored in the database. Clones share its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Grows by one with every change of any distribution.
    pub revision: i64,
    /// Distributions, sorted by name.
    pub distributions: Vec<Distribution>,
    /// Documents of upstream that belong to them, by name of the distribution.
    pub documents: BTreeMap<String, Arc<CatalogDocuments>>,
    /// To recognize what has not changed since.
    pub digests: CatalogDigests,
}

impl Catalog {
    /// The distribution with this name.
    pub fn distribution(&self, name: &str) -> Option<&Distribution> {
        self.distributions.iter().find(|distribution| distribution.name == name)
    }
}

/// Digests of the parts of a catalog in the database, by which a later load recognizes the unchanged
/// ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogDigests {
    /// Digests of versions, by distribution and version.
    pub(crate) versions: BTreeMap<(String, String), String>,
    /// Digests of references to documents, by distribution.
    pub(crate) documents: BTreeMap<String, String>,
}

/// Result of writing a distribution to the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogWrite {
    /// Revision of the distribution after the write.
    pub revision: i64,
    /// Whether the write changed any row.
    pub changed: bool,
    /// Number of referenced documents that do not exist and must be read again.
    pub missing: usize,
}

/// What the API counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum CounterKind {
    /// A POST of a build request.
    Request,
    /// A POST that was answered with a finished build.
    CacheHit,
    /// A POST that created a build.
    CacheMiss,
    /// The download of a file.
    Served,
    /// A POST of a build request, by the program that sent it.
    Client,
}

impl CounterKind {
    /// The value of the database column.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// `count` events of one kind, the last of them at `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Time of the last event.
    pub at: Timestamp,
    /// The kind of the events.
    pub kind: CounterKind,
    /// For which request; none for totals.
    pub request_hash: Option<RequestHash>,
    /// The program that sent it, of the kind [`CounterKind::Client`].
    pub client: Option<Arc<str>>,
    /// How often.
    pub count: u32,
}

/// How many builds requested a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageCount {
    /// Its name, with a leading minus if the requests leave it out.
    pub package: String,
    /// Number of builds.
    pub builds: u64,
}

/// How many images were built for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetCount {
    /// Board and subtarget.
    pub target: String,
    /// Number of builds.
    pub builds: u64,
    /// Seconds that they took together, from the start of the pod to its end.
    pub seconds: u64,
}

/// What happened on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// Days before today, in UTC.
    pub days_ago: u32,
    /// Requests for images.
    pub requests: u64,
    /// Builds that ended.
    pub builds: u64,
    /// Builds that failed.
    pub failures: u64,
}

/// Images of a version in a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionWeek {
    /// Weeks of seven days before the present one, which ends today.
    pub weeks_ago: u32,
    /// Name of the version.
    pub version: String,
    /// Number of builds.
    pub builds: u64,
}

/// Numbers of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageTotals {
    /// Builds that made images, ever.
    pub made: u64,
    /// Images in the store now; equal ones count once.
    pub stored: u64,
}
