//! Applies the migrations of the schema and grants rights to the API's role. The operator's command
//! `migrate` calls it, as the owner of the database, before the other processes use the schema.

use std::{fmt, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    migrate::Migrator, postgres::PgConnectOptions,
};

use crate::error::StoreError;

/// All migrations, embedded in the program. Unknown ones in the database are accepted here: a newer
/// release may have applied them before a rollback. [`crate::schema`] decides whether this release
/// supports such a schema.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.set_ignore_missing(true);
    migrator
}

/// Database role that the API logs in with.
pub const API_ROLE: &str = "asu_api";

/// Options of [`migrate`].
#[derive(Clone)]
pub struct MigrateOptions {
    /// When present, the role [`API_ROLE`] is created or its password is changed to this one. The
    /// role may read all tables and insert request counters.
    pub api_role_password: Option<String>,
    /// Maximum wait for a database that cannot be reached yet.
    pub wait: Duration,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        Self { api_role_password: None, wait: Duration::from_mins(5) }
    }
}

impl fmt::Debug for MigrateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrateOptions")
            .field("api_role_password", &self.api_role_password.is_some())
            .field("wait", &self.wait)
            .finish()
    }
}

/// Waits for the database, applies the missing migrations, and grants rights. Idempotent. Concurrent
/// calls are serialized by locks of the database.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database is not reachable within [`MigrateOptions::wait`];
/// [`StoreError::Migration`] when a migration fails or was changed after it was applied.
pub async fn migrate(direct_url: &str, options: &MigrateOptions) -> Result<(), StoreError> {
    let connect = direct_url
        .parse::<PgConnectOptions>()
        .map_err(|_| StoreError::Url)?
        .application_name("asu-migrate")
        // The statement that sets the password must not be logged.
        .disable_statement_logging();
    let mut connection = wait_for(&connect, options.wait).await?;
    migrator()
        .run(&mut connection)
        .await
        .map_err(|error| StoreError::Migration(error.to_string()))?;
    if let Some(password) = &options.api_role_password {
        grant_api_role(&mut connection, password).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn wait_for(options: &PgConnectOptions, wait: Duration) -> Result<PgConnection, StoreError> {
    let start = tokio::time::Instant::now();
    loop {
        let error = match PgConnection::connect_with(options).await.map_err(StoreError::from) {
            Ok(connection) => return Ok(connection),
            Err(error) if error.is_unavailable() => error,
            Err(error) => return Err(error),
        };
        let waited = start.elapsed();
        if waited >= wait {
            return Err(error);
        }
        tracing::info!(
            host = options.get_host(),
            port = options.get_port(),
            waited_seconds = waited.as_secs(),
            %error,
            "waiting for the database"
        );
        tokio::time::sleep(Duration::from_secs(1).min(wait.saturating_sub(waited))).await;
    }
}

/// Statements that manage roles accept no parameters. `format` with `%L` therefore quotes the
/// password on the server; the result is the statement to run.
const CREATE_ROLE: &str = "select format(
    case when exists (select from pg_roles where rolname = 'asu_api')
         then 'alter role asu_api login password %L'
         else 'create role asu_api login password %L' end, $1)";
const GRANTS: &str = "
    grant usage on schema public to asu_api;
    grant select on all tables in schema public to asu_api;
    grant insert on request_counters to asu_api;";

async fn grant_api_role(connection: &mut PgConnection, password: &str) -> Result<(), StoreError> {
    let mut tx = connection.begin().await?;
    // Serializes concurrent calls: roles are shared by all databases of the server.
    tx.execute("select pg_advisory_xact_lock(hashtext('asu_api'))").await?;
    let statement: String =
        sqlx::query_scalar(CREATE_ROLE).bind(password).fetch_one(&mut *tx).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    sqlx::raw_sql(GRANTS).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
