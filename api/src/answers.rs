//! Answers about finished builds, rendered once for each kind of client and kept in memory.
//!
//! Look-ups say which build answers; what it says in a client's words is up to that client's module.

use std::sync::Arc;

use asu_store::{PgStore, model::BuildRecord};
use bytes::Bytes;
use http::StatusCode;
use moka::{future::Cache, policy::EvictionPolicy};
use tokio::sync::Semaphore;

use crate::{
    budgets::{Budget, Budgets},
    error::{ApiError, DATABASE},
    known::FinishedBuild,
    log_text::LogEnds,
    v1,
};

/// What an entry costs besides its body, in bytes.
const OVERHEAD: usize = 256;

/// A family of clients: how they ask and what they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/api/v1`.
    V1,
}

/// A finished answer: the same bytes for every client of its dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
}

/// Finished answers in memory, bounded by bytes, by uid and dialect. What was not asked for the
/// longest time goes first.
pub struct FinishedAnswers {
    cache: Cache<(Arc<str>, Dialect), Arc<FinishedAnswer>>,
    records: Records,
    logs: LogEnds,
}

impl FinishedAnswers {
    /// Holds up to `bytes`.
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

    /// What a build is to clients of `dialect`. Equal questions at a time render once.
    ///
    /// # Errors
    /// When its record has to be read and the database is away.
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
            };
            Ok::<_, ApiError>(Arc::new(answer))
        };
        let key = (build.uid.clone(), dialect);
        self.cache.try_get_with(key, render).await.map_err(|error| (*error).clone())
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.cache.weighted_size()
    }
}

/// Reads records of finished builds, within the budget of those who poll.
pub struct Records {
    database: PgStore,
    places: Arc<Semaphore>,
}

impl Records {
    /// Of this database.
    pub fn new(database: PgStore, budgets: &Budgets) -> Self {
        Self { database, places: budgets.semaphore(Budget::Poll) }
    }

    /// A record that is gone was deleted a moment ago: the next request is answered without it.
    async fn read(&self, uid: &str) -> Result<Arc<BuildRecord>, ApiError> {
        let _place = self.places.try_acquire().map_err(|_| ApiError::Busy)?;
        let record = self.database.build_by_uid(uid).await?;
        record.map(Arc::new).ok_or(ApiError::Away(DATABASE))
    }
}
