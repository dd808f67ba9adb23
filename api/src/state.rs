//! What every handler works with.

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
    catalog::{CatalogCache, upstream::UpstreamDocuments},
    cluster::Cluster,
    config::Settings,
    counters::Counters,
    error::ApiError,
    followers::Followers,
    http::clients::{Client, Peer, Sending, Sent},
    known::{FinishedBuilds, SingleFlight},
    log_text::LogEnds,
    metrics::Metrics,
};

/// Shared by all handlers; clones are cheap.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// See [`AppState`].
pub struct Inner {
    /// Settings of the process.
    pub settings: Settings,
    /// History and catalog.
    pub database: PgStore,
    /// Files of builds.
    pub artifacts: ArtifactStore,
    /// FirmwareBuilds.
    pub cluster: Cluster,
    /// What is offered.
    pub catalog: CatalogCache,
    /// Documents of upstream.
    pub upstream: UpstreamDocuments,
    /// Finished builds by request hash.
    pub finished: FinishedBuilds,
    /// Their answers.
    pub answers: FinishedAnswers,
    /// Look-ups on their way.
    pub single_flight: SingleFlight,
    /// Places of requests that wait for something outside this process.
    pub budgets: Budgets,
    /// Files and logs that are being sent, by client.
    pub sending: Sending,
    /// Tasks that last as long as the process.
    pub followers: Arc<Followers>,
    /// What is counted.
    pub counters: Counters,
    /// What is measured.
    pub metrics: Metrics,
    /// Places for sending logs.
    pub log_readers: Arc<Semaphore>,
    /// Places for sending files.
    pub downloads: Arc<Semaphore>,
    /// Bytes of request bodies that may be held.
    pub bodies: Arc<Semaphore>,
    /// Creations on their way, which go on without their clients.
    pub creating: TaskTracker,
    schema_fits: AtomicBool,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Logs that are sent at a time: each decoder may take 8 MiB, for as long as the client likes.
const LOG_READERS: usize = 8;
/// One request in so many may be a download, each of which holds some 200 KiB.
const REQUESTS_PER_DOWNLOAD: usize = 4;
/// Bytes of request bodies that may be held: what is made of a body takes as much again, twice,
/// and a pod has 256 MiB in all. The largest that clients send have about 40 KiB.
const BODY_BYTES: usize = 16 << 20;

impl AppState {
    /// Puts the parts together.
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
            finished: FinishedBuilds::default(),
            answers: FinishedAnswers::new(
                settings.answer_cache_bytes,
                Records::new(database.clone(), &budgets),
                LogEnds::new(artifacts.clone()),
            ),
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

    /// A place for sending something to the client of a request.
    ///
    /// # Errors
    /// [`ApiError::TooManyDownloads`].
    pub fn send_to(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<Sent, ApiError> {
        let client = Client::of(peer, headers, self.settings.forwarded_hops);
        self.sending.enter(client, self.settings.downloads_per_client)
    }

    /// Notes that the database's schema is one that this program can use.
    pub fn set_schema_fits(&self) {
        self.schema_fits.store(true, Ordering::Release);
    }

    /// What is still missing before this process can answer; nothing from then on, for good: a
    /// dependency that goes away later fails its own routes only.
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
