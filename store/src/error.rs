//! Errors of the repositories. The operator and the API decide by the variant what to do. The texts
//! are for logs and never contain the URL of the database.

use asu_core::build_key::BuildKey;

/// A failed call of a repository.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is starting or shutting down, or has no free connection. The
    /// caller may retry later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Another leader has raised the epoch: this process must not write any more.
    #[error("the epoch {ours} of this process is not the current one, {current}")]
    Fenced {
        /// Epoch of the caller.
        ours: i64,
        /// Epoch in the database.
        current: i64,
    },
    /// The schema was migrated by a newer release and does not support this one, which must not
    /// write to it.
    #[error("the database's schema {0} is too new for this program")]
    SchemaTooNew(i32),
    /// Retention is deleting the files of this build key. The caller archives again after the
    /// deletion, and checks the build's objects again.
    #[error("the files of build key {0} are being deleted")]
    BeingDeleted(BuildKey),
    /// Files that a committed result names are not in the artifact store. The result is worth
    /// nothing.
    #[error("files of the build are not in the store: {0}")]
    FilesMissing(String),
    /// The build key is archived with other files, or the uid with another request.
    #[error("the database contains other data: {0}")]
    Conflict(String),
    /// A row contains a value that this program never writes.
    #[error("inconsistent row: {table}.{column} of {row}: {problem}")]
    Inconsistent {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// Key of the row.
        row: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// The URL of the database is malformed. The text never contains the URL.
    #[error("the database URL is malformed")]
    Url,
    /// A migration of the schema failed.
    #[error("migration failed: {0}")]
    Migration(String),
    /// Any other error that the database returned.
    #[error("the database returned an error: {0}")]
    Database(String),
}

impl StoreError {
    /// Whether every later write of this process would fail as well, so that it must stop leading.
    pub fn ends_leading(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::SchemaTooNew(_))
    }

    /// Whether the same call may succeed later, without a change of configuration or data.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Classes of SQLSTATE for temporary failures: connection exceptions, insufficient resources,
/// operator intervention (shutdown, starting up), and system errors. Source: PostgreSQL 15,
/// appendix A.
const UNAVAILABLE_CLASSES: [&str; 4] = ["08", "53", "57", "58"];
/// Single SQLSTATEs of temporary failures: a read-only transaction (a standby after a failover),
/// a serialization failure and a deadlock.
const UNAVAILABLE_CODES: [&str; 3] = ["25006", "40001", "40P01"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(inner) => {
                let code = inner.code().unwrap_or_default();
                let temporary = UNAVAILABLE_CLASSES.iter().any(|class| code.starts_with(class))
                    || UNAVAILABLE_CODES.contains(&code.as_ref());
                // Without the error's DETAIL, which may contain values of the row.
                let text = format!("{} ({code})", inner.message());
                if temporary { Self::Unavailable(text) } else { Self::Database(text) }
            }
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            E::Configuration(_) => Self::Url,
            _ => Self::Database(error.to_string()),
        }
    }
}
