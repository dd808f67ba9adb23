//! A real Postgres server (Debian's) on a free port with a temporary folder, for tests.
//!
//! A shell process supervises the server. It stops the server and removes the folder as soon as the
//! test's end of a pipe is closed, so that also an aborted test leaves nothing.

pub mod offline;
mod server;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use asu_store::{
    PgStore, PoolSettings,
    error::StoreError,
    migrate::{API_ROLE, MigrateOptions, migrate},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::Mutex;

pub use server::Server;

/// Password of the API's role on every server of the harness.
pub const API_PASSWORD: &str = "api-password";
const TEMPLATE: &str = "asu_template";

/// Why a server or database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Postgres is not installed.
    #[error("Postgres is not installed: apt-get install postgresql")]
    NotInstalled,
    /// A command failed.
    #[error("{what} failed: {problem}")]
    Command {
        /// The command.
        what: String,
        /// Its error output.
        problem: String,
    },
    /// The server did not answer in time.
    #[error("Postgres did not answer within {seconds} s; its log ends with:\n{log}")]
    Silent {
        /// The time limit in seconds.
        seconds: u64,
        /// The last part of its log.
        log: String,
    },
    /// A file could not be read or written, or a process not be started.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The migration of the template failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is not one test's own.
    #[error("other tests use this server")]
    Shared,
    /// A database could not be created.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// A server with a migrated template database, from which every test clones its own database.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    clones: AtomicU32,
}

impl Postgres {
    /// Starts a separate server, which the test may stop and start.
    ///
    /// # Errors
    /// When Postgres is missing, or the server's error.
    pub async fn start() -> Result<Self, Error> {
        let server = Server::start().await?;
        server.execute("create database asu_template").await?;
        let options = MigrateOptions {
            api_role_password: Some(API_PASSWORD.to_owned()),
            wait: Duration::from_secs(10),
        };
        migrate(&server.url(TEMPLATE), &options).await?;
        Ok(Self { server, clones: AtomicU32::new(0) })
    }

    /// The server that concurrent tests of this process share. It is stopped after the last of them.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn shared() -> Result<Arc<Self>, Error> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// The server process.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// URL of a database for its owner.
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// URL of a database for the API's role.
    pub fn api_url(&self, database: &str) -> String {
        let port = self.server.port();
        format!("postgres://{API_ROLE}:{API_PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// Rows that were inserted, updated or deleted in a database since it was created, and bytes that the
    /// server has written to its log. Used by benchmarks.
    ///
    /// # Errors
    /// The server's error.
    pub async fn written(&self, database: &str) -> Result<(u64, u64), Error> {
        let mut connection = PgConnection::connect(&self.server.url(database)).await?;
        let (rows, bytes): (i64, i64) = sqlx::query_as(
            "select tup_inserted + tup_updated + tup_deleted,
                    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint
             from pg_stat_database where datname = current_database()",
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        Ok((rows.unsigned_abs(), bytes.unsigned_abs()))
    }

    /// Rows that statements have read from a database.
    ///
    /// # Errors
    /// The server's error.
    pub async fn rows_read(&self, database: &str) -> Result<u64, Error> {
        let mut connection = PgConnection::connect(&self.server.url(database)).await?;
        let rows: i64 = sqlx::query_scalar(
            "select tup_fetched from pg_stat_database where datname = current_database()",
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        Ok(rows.unsigned_abs())
    }

    /// Clones the template and returns the name of the new database.
    ///
    /// # Errors
    /// The server's error.
    pub async fn clone_template(&self) -> Result<String, Error> {
        let number = self.clones.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let statement = format!("create database {name} template {TEMPLATE}");
        self.server.execute(&statement).await?;
        Ok(name)
    }
}

/// The database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    /// URL for the owner.
    pub url: String,
    /// URL for the API's role.
    pub api_url: String,
    server: Arc<Postgres>,
}

impl TestDatabase {
    /// Creates a migrated database on the shared server.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn new() -> Result<Self, Error> {
        Self::on(Postgres::shared().await?).await
    }

    /// Creates a migrated database on a server of its own, which the test may stop.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn own() -> Result<Self, Error> {
        Self::on(Arc::new(Postgres::start().await?)).await
    }

    async fn on(server: Arc<Postgres>) -> Result<Self, Error> {
        let name = server.clone_template().await?;
        Ok(Self { url: server.url(&name), api_url: server.api_url(&name), server })
    }

    /// Stops the server.
    ///
    /// # Errors
    /// When other tests share it, or the command's error.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.server()?.stop()
    }

    /// Starts the server again.
    ///
    /// # Errors
    /// When other tests share it, or as [`Postgres::start`].
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.server()?.resume().await
    }

    fn server(&mut self) -> Result<&mut Server, Error> {
        Ok(Arc::get_mut(&mut self.server).ok_or(Error::Shared)?.server())
    }

    /// The repositories, with the owner's role.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn store(&self) -> Result<PgStore, StoreError> {
        PgStore::connect(&self.url, &PoolSettings::default(), "asu-tests")
    }

    /// The repositories, with the API's role.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn api_store(&self) -> Result<PgStore, StoreError> {
        PgStore::connect(&self.api_url, &PoolSettings::default(), "asu-tests-api")
    }
}

/// Runs one SQL statement on a new connection.
async fn execute(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(AssertSqlSafe(statement.to_owned())).await?;
    connection.close().await
}
