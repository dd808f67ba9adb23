//! The state that all handlers share. Created by `run.rs`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use asu_artifacts::ArtifactStore;
use asu_core::request_hash::RequestHash;
use asu_store::PgStore;
use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{
    answers::{FinishedAnswers, Records},
    budgets::Budgets,
    catalog::{CatalogCache, parsed::ParsedDocuments, upstream::UpstreamDocuments},
    cluster::Cluster,
    config::Settings,
    counters::Counters,
    error::ApiError,
    followers::Followers,
    http::clients::{Client, Peer, Sending, Sent},
    known::{FinishedBuilds, SingleFlight},
    legacy::{known_checks::KnownChecks, models::Models},
    log_text::LogEnds,
    metrics::Metrics,
    statistics::{Statistics, recent::Recent},
};

/// Shared by all handlers; clones are cheap.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// See [`AppState`].
pub struct Inner {
    /// Settings of the process.
    pub settings: Settings,
    /// The database, with history and catalog.
    pub database: PgStore,
    /// The artifact store.
    pub artifacts: ArtifactStore,
    /// FirmwareBuilds in the cluster.
    pub cluster: Cluster,
    /// The catalog in memory.
    pub catalog: CatalogCache,
    /// Documents of upstream.
    pub upstream: UpstreamDocuments,
    /// What these documents say of packages and devices.
    pub parsed: ParsedDocuments,
    /// Checks for upgrades that clients may ask for again.
    pub checks: KnownChecks,
    /// Devices by display name.
    pub models: Models,
    /// Finished builds by request hash.
    pub finished: FinishedBuilds,
    /// Finished answers by uid.
    pub answers: FinishedAnswers,
    /// Statistics of builds.
    pub statistics: Statistics,
    /// Statistics of the last days and weeks.
    pub recent: Recent,
    /// Running look-ups.
    pub single_flight: SingleFlight,
    /// Limits of requests that wait for dependencies.
    pub budgets: Budgets,
    /// Number of running downloads by client.
    pub sending: Sending,
    /// Background tasks.
    pub followers: Arc<Followers>,
    /// Counters for the database.
    pub counters: Counters,
    /// Metrics for Prometheus.
    pub metrics: Metrics,
    /// Limits the number of logs that are sent.
    pub log_readers: Arc<Semaphore>,
    /// Limits the number of files that are sent.
    pub downloads: Arc<Semaphore>,
    /// Limits the bytes of request bodies in memory.
    pub bodies: Arc<Semaphore>,
    /// Running creations, which continue without their clients.
    pub creating: TaskTracker,
    schema_fits: AtomicBool,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Maximum number of logs that are sent at the same time. A decoder may use 8 MiB for as long as the
/// client takes.
const LOG_READERS: usize = 8;
/// One of this number of requests may be a download. A download uses about 200 KiB.
const REQUESTS_PER_DOWNLOAD: usize = 4;
/// Maximum number of bytes of all request bodies in memory. The parsed data of a body needs twice as
/// much again, and a pod has 256 MiB. The largest bodies that clients send have about 40 KiB.
const BODY_BYTES: usize = 16 << 20;

impl AppState {
    /// Creates the state from its parts.
    pub fn new(
        settings: Settings,
        database: PgStore,
        artifacts: ArtifactStore,
        cluster: Cluster,
    ) -> Self {
        let budgets = Budgets::new(settings.max_requests);
        Self(Arc::new(Inner {
            catalog: CatalogCache::new(&settings),
            upstream: UpstreamDocuments::new(database.clone(), &budgets),
            parsed: ParsedDocuments::new(database.clone(), &budgets),
            checks: KnownChecks::default(),
            models: Models::new(&budgets),
            finished: FinishedBuilds::default(),
            answers: FinishedAnswers::new(
                settings.answer_cache_bytes,
                Records::new(database.clone(), &budgets),
                LogEnds::new(artifacts.clone()),
            ),
            statistics: Statistics::new(database.clone(), &budgets),
            recent: Recent::new(database.clone(), &budgets),
            single_flight: SingleFlight::default(),
            budgets,
            sending: Sending::default(),
            followers: Arc::default(),
            counters: Counters::default(),
            metrics: Metrics::new(),
            log_readers: Arc::new(Semaphore::new(LOG_READERS)),
            downloads: Arc::new(Semaphore::new(
                settings.max_requests.div_ceil(REQUESTS_PER_DOWNLOAD),
            )),
            bodies: Arc::new(Semaphore::new(BODY_BYTES)),
            creating: TaskTracker::new(),
            schema_fits: AtomicBool::new(false),
            settings,
            database,
            artifacts,
            cluster,
        }))
    }

    /// The present time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that reads the clock for answers"
    )]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Counts a download for the client of a request, until the value is dropped.
    ///
    /// # Errors
    /// [`ApiError::TooManyDownloads`] at the limit.
    pub fn send_to(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<Sent, ApiError> {
        let client = Client::of(peer, headers, self.settings.forwarded_hops);
        self.sending.enter(client, self.settings.downloads_per_client)
    }

    /// Records that the database's schema is compatible.
    pub fn set_schema_fits(&self) {
        self.schema_fits.store(true, Ordering::Release);
    }

    /// What is still missing before this process can answer. Once it is empty, it stays empty: a
    /// dependency that becomes unavailable later affects only its own routes.
    pub fn not_ready(&self) -> Vec<&'static str> {
        let parts = [
            (self.schema_fits.load(Ordering::Acquire), "a fitting database schema"),
            (self.catalog.is_loaded(), "the catalog"),
            (self.cluster.watch.is_synced(), "the watch of FirmwareBuilds"),
        ];
        parts.into_iter().filter(|(there, _)| !there).map(|(_, name)| name).collect()
    }
}

/// Reads a request hash from a path. Any other text is treated as an unknown hash.
///
/// # Errors
/// [`ApiError::UnknownHash`].
pub fn parse_hash(text: &str) -> Result<RequestHash, ApiError> {
    text.parse().map_err(|_| ApiError::UnknownHash)
}
