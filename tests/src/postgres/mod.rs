//! A real Postgres (Debian's) on a free port in a temporary folder.
//!
//! A small shell process stands between a test and its server: it stops the server and removes the
//! folder as soon as the test's end of a pipe is closed, however the test ended.

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

/// Password of the API's role in every server of this harness.
pub const API_PASSWORD: &str = "api-password";
const TEMPLATE: &str = "asu_template";

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its programs are missing.
    #[error("Postgres is not installed: apt-get install postgresql")]
    NotInstalled,
    /// A command failed.
    #[error("{what} failed: {problem}")]
    Command {
        /// What was run.
        what: String,
        /// What it said.
        problem: String,
    },
    /// It did not answer in time.
    #[error("Postgres did not answer within {seconds} s; its log ends with:\n{log}")]
    Silent {
        /// How long it had.
        seconds: u64,
        /// End of its log.
        log: String,
    },
    /// A file or process could not be had.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The schema could not be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A database could not be made.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// A server with a migrated template, from which every test clones a database of its own.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    clones: AtomicU32,
}

impl Postgres {
    /// Starts a server of one's own, to be stopped and started at will.
    ///
    /// # Errors
    /// What is missing, or what the server said.
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

    /// The server that tests of this process which run at the same time share. It ends with the
    /// last of them.
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

    /// The server itself.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// URL of a database, as owner.
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// URL of a database, as the API's role.
    pub fn api_url(&self, database: &str) -> String {
        let port = self.server.port();
        format!("postgres://{API_ROLE}:{API_PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// Clones a migrated database and gives its name.
    ///
    /// # Errors
    /// What the server said.
    pub async fn clone_template(&self) -> Result<String, Error> {
        let number = self.clones.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let statement = format!("create database {name} template {TEMPLATE}");
        self.server.execute(&statement).await?;
        Ok(name)
    }
}

/// A database of one test on the shared server.
#[derive(Debug)]
pub struct TestDatabase {
    /// URL as owner.
    pub url: String,
    /// URL as the API's role.
    pub api_url: String,
    _server: Arc<Postgres>,
}

impl TestDatabase {
    /// A fresh, migrated database.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn new() -> Result<Self, Error> {
        let server = Postgres::shared().await?;
        let name = server.clone_template().await?;
        Ok(Self { url: server.url(&name), api_url: server.api_url(&name), _server: server })
    }

    /// The repositories, as owner.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn store(&self) -> Result<PgStore, StoreError> {
        PgStore::connect(&self.url, &PoolSettings::default(), "asu-tests")
    }

    /// The repositories, as the API's role.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn api_store(&self) -> Result<PgStore, StoreError> {
        PgStore::connect(&self.api_url, &PoolSettings::default(), "asu-tests-api")
    }
}

/// Runs a statement of the harness itself.
async fn execute(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(AssertSqlSafe(statement.to_owned())).await?;
    connection.close().await
}
