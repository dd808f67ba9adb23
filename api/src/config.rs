//! Settings of the API: arguments and environment variables. What the server offers is configured
//! with Distribution objects instead. A test compares the help texts with `docs/SETTINGS.md`.

use std::net::SocketAddr;

use asu_store::settings::{DatabaseUrl, NoDatabase};
use clap::{Args, Parser};

/// Serves build requests, stored images and the catalog over HTTP.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "asu-api",
    version,
    after_help = "`asu-api unavailable` answers in place of the API while no pod of it can: see `asu-api unavailable --help`."
)]
pub struct Settings {
    /// Log filter, for example `info,asu_api=debug`.
    #[arg(long, env = "ASU_LOG", default_value = "info")]
    pub log: String,
    /// Namespace in which FirmwareBuilds are created and watched.
    #[arg(long, env = "ASU_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub database: DatabaseSettings,
    /// URL of the artifact store, for example file:///asu/store. The API only reads it.
    #[arg(long, env = "ASU_STORE_URL", default_value = "file:///asu/store")]
    pub store_url: String,
    /// Address and port on which clients are served, over HTTP/1.1 without TLS.
    #[arg(long, env = "ASU_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address and port on which health checks and metrics are served. The Ingress must not expose
    /// them.
    #[arg(long, env = "ASU_ADMIN_LISTEN", default_value = "0.0.0.0:8081")]
    pub admin_listen: SocketAddr,
    /// Maximum length of the queue. When more builds than this wait, new requests are refused with
    /// 529. The operator uses the same limit.
    #[arg(long, env = "ASU_MAX_PENDING", default_value_t = 200)]
    pub max_pending: usize,
    /// Distribution of requests that do not name one, and of the overview document.
    #[arg(long, env = "ASU_DEFAULT_DISTRIBUTION", default_value = "openwrt")]
    pub default_distribution: String,
    /// Who runs this server. It is sent as `server.contact` in the overview document.
    #[arg(long, env = "ASU_CONTACT", default_value = "")]
    pub contact: String,
    /// Maximum total size of the finished answers that are kept in memory, in bytes.
    #[arg(long, env = "ASU_ANSWER_CACHE_BYTES", default_value_t = 16 << 20)]
    pub answer_cache_bytes: usize,
    /// Maximum number of requests that are processed at the same time. Further requests are refused
    /// with 503.
    #[arg(long, env = "ASU_MAX_REQUESTS", default_value_t = 1024)]
    pub max_requests: usize,
    /// Maximum number of open connections. Further connections wait to be accepted. Each connection
    /// buffers up to 64 KiB of request headers.
    #[arg(long, env = "ASU_MAX_CONNECTIONS", default_value_t = 2048)]
    pub max_connections: usize,
    /// Maximum number of files and logs that are sent to one client address at the same time.
    #[arg(long, env = "ASU_DOWNLOADS_PER_CLIENT", default_value_t = 16)]
    pub downloads_per_client: usize,
    /// Number of proxies in front of this process that append to X-Forwarded-For. The entry that the
    /// outermost of them appended is the client's address. With 0, the header is ignored.
    #[arg(long, env = "ASU_FORWARDED_HOPS", default_value_t = 1)]
    pub forwarded_hops: usize,
    /// Minimum download rate of a client, in bytes per second, over a minute. The connection of a
    /// slower client is closed.
    #[arg(long, env = "ASU_MIN_DOWNLOAD_RATE", default_value_t = 1024)]
    pub min_download_rate: u64,
}

impl Settings {
    /// Checks the minimum values, with which the API can still answer.
    ///
    /// # Errors
    /// One sentence that names the setting.
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

/// Settings of the database connections.
#[derive(Args, Clone)]
pub struct DatabaseSettings {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub place: DatabaseUrl,
    /// URL of the database without a pooler, for notifications. Without this setting,
    /// ASU_DATABASE_URL is used, which must then not point to a transaction pooler.
    #[arg(long, env = "ASU_DATABASE_DIRECT_URL", hide_env_values = true)]
    pub database_direct_url: Option<String>,
    /// Maximum number of connections to the database.
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
    /// Returns the URL for notifications.
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
    fn every_setting_has_a_help_text_and_an_environment_variable() {
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
    fn a_setting_below_its_minimum_is_refused_by_name() {
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
