//! How the API runs. What it offers is in the custom resources.

use std::net::SocketAddr;

use asu_store::settings::{DatabaseUrl, NoDatabase};
use clap::{Args, Parser};

/// Serves build requests, stored images and the catalog over HTTP.
#[derive(Parser, Clone, Debug)]
#[command(name = "asu-api", version)]
pub struct Settings {
    /// What is logged, for example `info,asu_api=debug`.
    #[arg(long, env = "ASU_LOG", default_value = "info")]
    pub log: String,
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
    /// Connections that are held at a time; more wait to be accepted. Each may hold 64 KiB of a
    /// request's head.
    #[arg(long, env = "ASU_MAX_CONNECTIONS", default_value_t = 2048)]
    pub max_connections: usize,
    /// Files and logs that are sent to one address at a time.
    #[arg(long, env = "ASU_DOWNLOADS_PER_CLIENT", default_value_t = 16)]
    pub downloads_per_client: usize,
    /// Proxies between clients and this process that append to X-Forwarded-For: the entry of the
    /// outermost one names the client. 0: the header does not count.
    #[arg(long, env = "ASU_FORWARDED_HOPS", default_value_t = 1)]
    pub forwarded_hops: usize,
    /// Bytes a second below which a client that keeps an answer waiting is cut off, over a minute.
    #[arg(long, env = "ASU_MIN_DOWNLOAD_RATE", default_value_t = 1024)]
    pub min_download_rate: u64,
}

impl Settings {
    /// What contradicts itself although each setting alone is well formed.
    ///
    /// # Errors
    /// One sentence naming the setting.
    pub fn check(&self) -> Result<(), String> {
        let least = [
            ("ASU_MAX_REQUESTS", self.max_requests, 16),
            ("ASU_MAX_CONNECTIONS", self.max_connections, 1),
            ("ASU_MAX_PENDING", self.max_pending, 1),
            ("ASU_DOWNLOADS_PER_CLIENT", self.downloads_per_client, 1),
            ("ASU_DATABASE_CONNECTIONS", self.database.database_connections as usize, 1),
        ];
        match least.iter().find(|(_, value, least)| value < least) {
            Some((name, value, least)) => Err(format!("{name}={value} must be at least {least}")),
            None => Ok(()),
        }
    }
}

/// How the database is reached.
#[derive(Args, Clone)]
pub struct DatabaseSettings {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub place: DatabaseUrl,
    /// URL of the database without a pooler, for notifications; the other URL when absent.
    #[arg(long, env = "ASU_DATABASE_DIRECT_URL", hide_env_values = true)]
    pub database_direct_url: Option<String>,
    /// Most connections to the database.
    #[arg(long, env = "ASU_DATABASE_CONNECTIONS", default_value_t = 10)]
    pub database_connections: u32,
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the direct URL: it holds the password.
        f.debug_struct("DatabaseSettings")
            .field("place", &self.place)
            .field("database_connections", &self.database_connections)
            .finish_non_exhaustive()
    }
}

impl DatabaseSettings {
    /// The URL for notifications.
    ///
    /// # Errors
    /// As [`DatabaseUrl::read`].
    pub fn direct_url(&self) -> Result<String, NoDatabase> {
        match &self.database_direct_url {
            Some(url) if !url.is_empty() => Ok(url.clone()),
            _ => self.place.read(),
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
    fn a_setting_with_which_nothing_would_be_answered_is_refused_by_name() {
        let with = |option: &str| Settings::parse_from(["asu-api", "--namespace=asu", option]);
        assert_eq!(with("--contact=x").check(), Ok(()));
        for (option, name) in [
            ("--max-requests=15", "ASU_MAX_REQUESTS=15"),
            ("--max-connections=0", "ASU_MAX_CONNECTIONS=0"),
            ("--max-pending=0", "ASU_MAX_PENDING=0"),
            ("--downloads-per-client=0", "ASU_DOWNLOADS_PER_CLIENT=0"),
            ("--database-connections=0", "ASU_DATABASE_CONNECTIONS=0"),
        ] {
            assert!(with(option).check().unwrap_err().contains(name), "{option}");
        }
    }

    #[test]
    fn passwords_never_show_in_debug_output() {
        let settings = Settings::parse_from([
            "asu-api",
            "--namespace=asu",
            "--database-url=postgres://u:hunter2@h/d",
            "--database-direct-url=postgres://u:hunter2@h/d",
        ]);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
