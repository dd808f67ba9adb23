//! What every handler works with.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use asu_core::digest::Sha256Hex;
use asu_store::{PgStore, artifacts::ArtifactStore};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::{
    answers::AnswerCache, catalog::CatalogCache, cluster::Cluster, config::Settings,
    counters::Counters, error::ApiError, metrics::Metrics,
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
    /// Finished answers.
    pub answers: AnswerCache,
    /// What is counted.
    pub counters: Counters,
    /// What is measured.
    pub metrics: Metrics,
    /// Places for decompressing logs.
    pub logs: Semaphore,
    schema_fits: AtomicBool,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Logs that are decompressed at a time: each takes up to its own size in memory.
const LOGS_AT_A_TIME: usize = 4;

impl AppState {
    /// Puts the parts together.
    pub fn new(
        settings: Settings,
        database: PgStore,
        artifacts: ArtifactStore,
        cluster: Cluster,
    ) -> Self {
        Self(Arc::new(Inner {
            catalog: CatalogCache::new(&settings),
            answers: AnswerCache::new(settings.answer_cache_bytes),
            counters: Counters::default(),
            metrics: Metrics::new(),
            logs: Semaphore::new(LOGS_AT_A_TIME),
            schema_fits: AtomicBool::new(false),
            settings,
            database,
            artifacts,
            cluster,
        }))
    }

    /// The present time: the only place that reads the clock for answers.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
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

/// Reads a request hash from a path; anything else is a hash that nobody knows.
///
/// # Errors
/// [`ApiError::UnknownHash`].
pub fn parse_hash(text: &str) -> Result<Sha256Hex, ApiError> {
    text.parse().map_err(|_| ApiError::UnknownHash)
}
