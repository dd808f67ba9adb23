//! Finished answers: the answers for finished builds, rendered once per dialect and kept in memory.
//!
//! A look-up determines the build; the module of the dialect renders its answer.

use std::sync::Arc;

use asu_core::legacy::key::Manner;
use asu_store::{PgStore, model::BuildRecord};
use bytes::Bytes;
use http::StatusCode;
use moka::{future::Cache, policy::EvictionPolicy};
use tokio::sync::Semaphore;

use crate::{
    budgets::{Budget, Budgets},
    error::{ApiError, DATABASE},
    known::FinishedBuild,
    legacy,
    log_text::LogEnds,
    v1,
};

/// Memory of an entry in addition to its body, in bytes.
const OVERHEAD: usize = 256;

/// The format of requests and answers for one family of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/api/v1`.
    V1,
    /// The API of 2018 and 2019.
    Legacy(Manner),
}

/// A finished answer: the same bytes for all clients of a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body, as JSON.
    pub body: Bytes,
}

/// Finished answers in memory, by uid of the build and dialect. Their total size is limited; the least
/// recently used answers are removed first.
pub struct FinishedAnswers {
    cache: Cache<(Arc<str>, Dialect), Arc<FinishedAnswer>>,
    records: Records,
    logs: LogEnds,
}

impl FinishedAnswers {
    /// A cache of at most `bytes` bytes.
    pub fn new(bytes: usize, records: Records, logs: LogEnds) -> Self {
        let weight = |_: &(Arc<str>, Dialect), answer: &Arc<FinishedAnswer>| {
            u32::try_from(answer.body.len().saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder()
            .weigher(weight)
            .max_capacity(bytes as u64)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { cache, records, logs }
    }

    /// Returns the answer for a build. Concurrent equal calls render it once.
    ///
    /// # Errors
    /// When the record must be read and the database is unavailable.
    pub async fn of(
        &self,
        build: &FinishedBuild,
        dialect: Dialect,
    ) -> Result<Arc<FinishedAnswer>, ApiError> {
        let render = async {
            let record = match &build.record {
                Some(record) => record.clone(),
                None => self.records.read(&build.uid).await?,
            };
            let answer = match dialect {
                Dialect::V1 => v1::answers::finished(&self.logs, &record).await?,
                Dialect::Legacy(manner) => legacy::answers::finished(&record, manner)?,
            };
            Ok::<_, ApiError>(Arc::new(answer))
        };
        let key = (build.uid.clone(), dialect);
        self.cache.try_get_with(key, render).await.map_err(|error| (*error).clone())
    }

    /// Total size of the answers in memory, in bytes.
    pub fn bytes(&self) -> u64 {
        self.cache.weighted_size()
    }
}

/// Reads records of finished builds, within the budget of polls.
pub struct Records {
    database: PgStore,
    places: Arc<Semaphore>,
}

impl Records {
    /// Reads from this database.
    pub fn new(database: PgStore, budgets: &Budgets) -> Self {
        Self { database, places: budgets.semaphore(Budget::Poll) }
    }

    /// Reads one record. A missing record was deleted just now, and the client is asked to try again.
    async fn read(&self, uid: &str) -> Result<Arc<BuildRecord>, ApiError> {
        let _place = self.places.try_acquire().map_err(|_| ApiError::Busy)?;
        let record = self.database.build_by_uid(uid).await?;
        record.map(Arc::new).ok_or(ApiError::Away(DATABASE))
    }
}
