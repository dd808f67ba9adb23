//! How the API runs. What it offers is in the custom resources.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser};

/// Serves build requests, stored images and the catalog over HTTP.
#[derive(Parser, Clone, Debug)]
#[command(name = "asu-api", version)]
pub struct Settings {
    /// Namespace whose FirmwareBuilds are created and watched.
    #[arg(long, env = "ASU_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub database: DatabaseSettings,
    /// Artifact store, for example file:///asu/store; only read.
    #[arg(long, env = "ASU_STORE_URL", default_value = "file:///asu/store")]
    pub store_url: String,
    /// Where clients are served, over plain HTTP/1.1.
    #[arg(long, env = "ASU_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Where health and metrics are served. Not for the Ingress.
    #[arg(long, env = "ASU_ADMIN_LISTEN", default_value = "0.0.0.0:8081")]
    pub admin_listen: SocketAddr,
    /// New requests are refused with 529 when more builds than this wait for their turn.
    #[arg(long, env = "ASU_MAX_PENDING", default_value_t = 200)]
    pub max_pending: usize,
    /// Distribution of requests that name none, and of the overview.
    #[arg(long, env = "ASU_DEFAULT_DISTRIBUTION", default_value = "openwrt")]
    pub default_distribution: String,
    /// Who runs this server: `server.contact` of the overview.
    #[arg(long, env = "ASU_CONTACT", default_value = "")]
    pub contact: String,
    /// Bytes of finished answers that are kept in memory.
    #[arg(long, env = "ASU_ANSWER_CACHE_BYTES", default_value_t = 16 << 20)]
    pub answer_cache_bytes: usize,
    /// Requests that are worked on at a time; more are refused with 503.
    #[arg(long, env = "ASU_MAX_REQUESTS", default_value_t = 1024)]
    pub max_requests: usize,
    /// Connections that are held at a time; more wait to be accepted.
    #[arg(long, env = "ASU_MAX_CONNECTIONS", default_value_t = 8192)]
    pub max_connections: usize,
}

/// Where the database is.
#[derive(Args, Clone)]
pub struct DatabaseSettings {
    /// URL of the database; may lead through a transaction pooler.
    #[arg(long, env = "ASU_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// File that holds the URL of the database.
    #[arg(long, env = "ASU_DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
    /// URL of the database without a pooler, for notifications; the other URL when absent.
    #[arg(long, env = "ASU_DATABASE_DIRECT_URL", hide_env_values = true)]
    pub database_direct_url: Option<String>,
    /// Most connections to the database.
    #[arg(long, env = "ASU_DATABASE_CONNECTIONS", default_value_t = 10)]
    pub database_connections: u32,
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the URLs: they hold the password.
        f.debug_struct("DatabaseSettings")
            .field("database_url_file", &self.database_url_file)
            .field("database_connections", &self.database_connections)
            .finish_non_exhaustive()
    }
}

/// No database is named.
#[derive(Debug, thiserror::Error)]
pub enum NoDatabase {
    /// Neither setting is given.
    #[error("set ASU_DATABASE_URL or ASU_DATABASE_URL_FILE")]
    Unset,
    /// The file cannot be read.
    #[error("the file of ASU_DATABASE_URL_FILE cannot be read: {0}")]
    File(#[from] std::io::Error),
}

impl DatabaseSettings {
    /// The URL, from the file when one is named.
    ///
    /// # Errors
    /// When neither is given or the file cannot be read.
    pub fn url(&self) -> Result<String, NoDatabase> {
        match (&self.database_url_file, &self.database_url) {
            (Some(file), _) => Ok(std::fs::read_to_string(file)?.trim().to_owned()),
            (None, Some(url)) => Ok(url.clone()),
            (None, None) => Err(NoDatabase::Unset),
        }
    }

    /// The URL for notifications.
    ///
    /// # Errors
    /// As [`Self::url`].
    pub fn direct_url(&self) -> Result<String, NoDatabase> {
        match &self.database_direct_url {
            Some(url) if !url.is_empty() => Ok(url.clone()),
            _ => self.url(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_setting_is_documented_and_in_the_environment() {
        let command = Settings::command();
        command.clone().debug_assert();
        for argument in
            command.get_arguments().filter(|a| a.get_id() != "help" && a.get_id() != "version")
        {
            assert!(argument.get_help().is_some(), "{}", argument.get_id());
            assert!(argument.get_env().is_some(), "{}", argument.get_id());
        }
    }

    #[test]
    fn passwords_never_show_in_debug_output() {
        let settings = Settings::parse_from([
            "asu-api",
            "--namespace=asu",
            "--database-url=postgres://u:hunter2@h/d",
        ]);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
