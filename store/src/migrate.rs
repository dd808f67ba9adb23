//! Brings the schema up to date: run by the owner of the database, before anything else.

use std::{fmt, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    migrate::Migrator, postgres::PgConnectOptions,
};

use crate::error::StoreError;

/// Every migration, embedded. A newer release may have added some before it was rolled back: whether
/// this one can work with them is for [`crate::schema`] to say.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.set_ignore_missing(true);
    migrator
}

/// Role that the API logs in as.
pub const API_ROLE: &str = "asu_api";

/// What a migration does besides migrating.
#[derive(Clone)]
pub struct MigrateOptions {
    /// When present, the role [`API_ROLE`] is made, or given this password, and may read
    /// everything and add request counters.
    pub api_role_password: Option<String>,
    /// How long to wait for a database that is not there yet.
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

/// Waits for the database, applies what is missing, and grants rights. Does nothing the second
/// time. Several at once take turns.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database does not come within [`MigrateOptions::wait`];
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

/// Role management has no place for parameters, so the server itself quotes the password.
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
    // One at a time: roles belong to the whole server.
    tx.execute("select pg_advisory_xact_lock(hashtext('asu_api'))").await?;
    let statement: String =
        sqlx::query_scalar(CREATE_ROLE).bind(password).fetch_one(&mut *tx).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    sqlx::raw_sql(GRANTS).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
