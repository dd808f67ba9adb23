//! The database behind one pool of connections: [`PgStore`], whose methods are in the files of this
//! folder.

mod archive;
mod builds;
mod catalog;
mod counters;
mod documents;
mod epoch;
mod json;
mod retention;
mod statistics;
mod statistics_days;
mod usage;

use std::{fmt, future::Future, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::Instrument as _;

use crate::error::StoreError;

/// Limits of the connection pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Maximum number of connections.
    pub max_connections: u32,
    /// Maximum wait for a connection.
    pub acquire_timeout: Duration,
    /// Maximum duration of one call, including the wait for a connection. Without it, a call would
    /// hang when the database's host disappears without closing the connection.
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

/// Implements all repositories with one pool of connections. Clones share the pool.
#[derive(Clone)]
pub struct PgStore {
    pool: PgPool,
    call_timeout: Duration,
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the pool itself: its options contain the password.
        f.debug_struct("PgStore").field("connections", &self.pool.size()).finish_non_exhaustive()
    }
}

impl PgStore {
    /// Creates a pool; the first call connects. `application_name` is shown in `pg_stat_activity`.
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
            // PgBouncer refuses clients that set it, and no column is a float.
            .extra_float_digits(None);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .connect_lazy_with(options);
        Ok(Self { pool, call_timeout: settings.call_timeout })
    }

    /// Waits for running calls, then closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs one call within its time, in a span that names the method.
    // Not async: a future that contains the future of another function would have twice its size.
    pub(crate) fn bounded<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        self.bounded_by(self.call_timeout, method, call)
    }

    /// The same with a time limit of its own, for calls whose duration grows with the catalog.
    pub(crate) async fn bounded_by<T>(
        &self,
        limit: Duration,
        method: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bounded = tokio::time::timeout(limit, call);
        bounded.instrument(tracing::debug_span!("sql", method)).await.unwrap_or_else(|_| {
            let seconds = limit.as_secs();
            Err(StoreError::Unavailable(format!("{method}: no answer within {seconds} s")))
        })
    }
}

/// Converts a size or count to the type of Postgres. Larger values do not occur; they are cut to
/// the maximum.
pub(crate) fn to_bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The reverse of [`to_bigint`]. Constraints of the tables exclude negative values.
pub(crate) fn from_bigint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
