//! What can go wrong with the database.

use asu_core::build_key::BuildKey;

/// A failed call of a repository.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is starting or shutting down, or has no connection left.
    /// Try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A newer leader has taken over: this process may not write any more.
    #[error("epoch {ours} is over, the current one is {current}")]
    Fenced {
        /// Epoch of the caller.
        ours: i64,
        /// Epoch in the database.
        current: i64,
    },
    /// The schema is of a newer program, and this one must not touch it.
    #[error("the database's schema {0} is too new for this program")]
    SchemaTooNew(i32),
    /// The files of this build key are being deleted. Archive again once they are gone and the
    /// build's objects have been checked anew.
    #[error("the files of build key {0} are being deleted")]
    BeingDeleted(BuildKey),
    /// Files that a committed result names are not in the artifact store. The result is worth
    /// nothing.
    #[error("files of the build are not in the store: {0}")]
    FilesMissing(String),
    /// The same build key has other content, or the same uid another request.
    #[error("the database already holds something else: {0}")]
    Conflict(String),
    /// A row does not mean what it must.
    #[error("inconsistent row: {table}.{column} of {row}: {problem}")]
    Inconsistent {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// Key of the row.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The URL of the database is malformed. The text never contains the URL.
    #[error("the database URL is malformed")]
    Url,
    /// The schema could not be brought up to date.
    #[error("migration failed: {0}")]
    Migration(String),
    /// Any other answer of the database.
    #[error("the database refused: {0}")]
    Database(String),
}

impl StoreError {
    /// Whether this process may not write any more, whatever it does.
    pub fn ends_leading(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::SchemaTooNew(_))
    }

    /// Whether the same call may succeed later, without anybody's doing.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Classes of SQLSTATE that mean "not now": connection exceptions, insufficient resources, operator
/// intervention (shutdown, starting up), and system errors. Source: PostgreSQL 15, appendix A.
const UNAVAILABLE_CLASSES: [&str; 4] = ["08", "53", "57", "58"];
/// A read-only transaction (a standby after fail-over), serialization failure and deadlock: trying
/// again is right.
const UNAVAILABLE_CODES: [&str; 3] = ["25006", "40001", "40P01"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(inner) => {
                let code = inner.code().unwrap_or_default();
                let away = UNAVAILABLE_CLASSES.iter().any(|class| code.starts_with(class))
                    || UNAVAILABLE_CODES.contains(&code.as_ref());
                // The message alone: details of a constraint may repeat values of the row.
                let text = format!("{} ({code})", inner.message());
                if away { Self::Unavailable(text) } else { Self::Database(text) }
            }
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            E::Configuration(_) => Self::Url,
            _ => Self::Database(error.to_string()),
        }
    }
}
