//! The repositories over Postgres.

mod archive;
mod builds;
mod catalog;
mod counters;
mod epoch;
mod json;
mod retention;

use std::{fmt, future::Future, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::Instrument as _;

use crate::error::StoreError;

/// Bounds of the connection pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Most connections at a time.
    pub max_connections: u32,
    /// Longest wait for a connection.
    pub acquire_timeout: Duration,
    /// Longest time of one call, waiting included. A peer that is gone without a word would hold a
    /// call for ever.
    pub call_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_mins(1),
        }
    }
}

/// All repositories over one pool of connections. Clones share the pool.
#[derive(Clone)]
pub struct PgStore {
    pool: PgPool,
    call_timeout: Duration,
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the pool: its options hold the password.
        f.debug_struct("PgStore").field("connections", &self.pool.size()).finish_non_exhaustive()
    }
}

impl PgStore {
    /// Prepares a pool; the first call connects. `application_name` shows in `pg_stat_activity`.
    ///
    /// # Errors
    /// [`StoreError::Url`], which never repeats the URL.
    pub fn connect(
        url: &str,
        settings: &PoolSettings,
        application_name: &str,
    ) -> Result<Self, StoreError> {
        let options = url
            .parse::<PgConnectOptions>()
            .map_err(|_| StoreError::Url)?
            .application_name(application_name)
            // No column is a float, and PgBouncer refuses clients that set this.
            .extra_float_digits(None);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .connect_lazy_with(options);
        Ok(Self { pool, call_timeout: settings.call_timeout })
    }

    /// Ends every connection, once what runs has ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs one call within its time, in a span that names the method.
    pub(crate) async fn bounded<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bounded = tokio::time::timeout(self.call_timeout, call);
        bounded.instrument(tracing::debug_span!("sql", method)).await.unwrap_or_else(|_| {
            let seconds = self.call_timeout.as_secs();
            Err(StoreError::Unavailable(format!("{method}: no answer within {seconds} s")))
        })
    }
}

/// Sizes and counts as Postgres keeps them. What does not fit is none of ours.
pub(crate) fn to_bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The reverse of [`to_bigint`]; columns are checked not to be negative.
pub(crate) fn from_bigint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
