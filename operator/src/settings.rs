//! Settings of the operator: arguments and environment variables. What the server offers is
//! configured with Distribution objects instead. A test compares the help texts with
//! `docs/SETTINGS.md`.

use std::{net::SocketAddr, time::Duration};

use asu_core::lifetime::LifetimePolicy;
use asu_store::settings::DatabaseUrl;
use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::pods::placement::Placement;

/// Settings of the operator. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Namespace whose objects are processed. Objects in other namespaces are ignored.
    #[arg(long, env = "ASU_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub database: DatabaseUrl,
    /// URL of the artifact store, for example file:///asu/store.
    #[arg(long, env = "ASU_STORE_URL", default_value = "file:///asu/store")]
    pub store_url: String,
    /// Address and port on which health checks and metrics are served.
    #[arg(long, env = "ASU_LISTEN", default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
    /// Name of this pod. It identifies the process in the Lease and in events.
    #[arg(long, env = "ASU_POD_NAME", default_value = "asu-operator")]
    pub pod_name: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub lease: LeaseSettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub pods: PodSettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub builds: BuildSettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub caches: CacheSettings,
    /// Interval at which the download servers of all Distributions are read.
    #[arg(long, env = "ASU_CATALOG_INTERVAL", default_value = "10m", value_parser = duration)]
    pub catalog_interval: Duration,
    /// Interval at which the operator looks for files to delete.
    #[arg(long, env = "ASU_RETENTION_INTERVAL", default_value = "5m", value_parser = duration)]
    pub retention_interval: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub store: StoreSettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub retention: RetentionSettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub lifetimes: LifetimeSettings,
}

/// Space in the artifact store.
#[derive(Args, Clone, Debug)]
pub struct StoreSettings {
    /// Percentage of used space in the store at which files are deleted before they expire.
    #[arg(long, env = "ASU_STORE_HIGH_WATER", default_value_t = 85,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub store_high_water: u8,
    /// Percentage of used space in the store at which this deletion stops.
    #[arg(long, env = "ASU_STORE_LOW_WATER", default_value_t = 75,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub store_low_water: u8,
    /// Percentage of used space in the store at which builds are no longer admitted.
    #[arg(long, env = "ASU_STORE_PAUSE", default_value_t = 95,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub store_pause: u8,
    /// Minimum age at which files that still answer requests are deleted to make space. Files whose
    /// answer is stale are deleted first.
    #[arg(long, env = "ASU_STORE_MIN_AGE", default_value = "1h", value_parser = duration)]
    pub store_min_age: Duration,
    /// Maximum number of bytes in the store, for a volume that does not report its capacity or is
    /// shared with other data. Without this setting, the volume's own capacity counts.
    #[arg(long, env = "ASU_STORE_CAPACITY", value_parser = clap::value_parser!(u64).range(1..))]
    pub store_capacity: Option<u64>,
}

/// How long files and records are kept after they expired.
#[derive(Args, Clone, Debug)]
pub struct RetentionSettings {
    /// Time between the expiry of a build and the deletion of its files, so that running downloads
    /// can end.
    #[arg(long, env = "ASU_RETENTION_GRACE", default_value = "1h", value_parser = duration)]
    pub retention_grace: Duration,
    /// Minimum time between the last write to a folder of the store and the deletion of its files,
    /// because the build that wrote to it may not be recorded yet.
    #[arg(long, env = "ASU_RETENTION_SPARE", default_value = "1h", value_parser = duration)]
    pub retention_spare: Duration,
    /// Age at which files, logs and results that belong to no build are deleted.
    #[arg(long, env = "ASU_RETENTION_ORPHANS", default_value = "24h", value_parser = duration)]
    pub retention_orphans: Duration,
    /// How long the record of a build is kept in the database after its files and its log were
    /// deleted.
    #[arg(long, env = "ASU_HISTORY", default_value = "365d", value_parser = duration)]
    pub history: Duration,
}

/// How long finished builds answer requests and are kept, by kind.
#[derive(Args, Clone, Debug)]
pub struct LifetimeSettings {
    /// How long the image of a release answers further requests, if the request names versions of
    /// packages. After that, a request starts another build.
    #[arg(long, env = "ASU_FRESH_RELEASE", default_value = "7d", value_parser = duration)]
    pub fresh_release: Duration,
    /// The same for an image of a snapshot, and for a request without versions of packages.
    #[arg(long, env = "ASU_FRESH_MOVING", default_value = "24h", value_parser = duration)]
    pub fresh_moving: Duration,
    /// The same for an image with a private first-boot script.
    #[arg(long, env = "ASU_FRESH_PRIVATE", default_value = "30m", value_parser = duration)]
    pub fresh_private: Duration,
    /// The same for a failure that the request caused.
    #[arg(long, env = "ASU_FRESH_FAILURE", default_value = "1h", value_parser = duration)]
    pub fresh_failure: Duration,
    /// How long an image is kept, so that late polls and downloads find it. At least as long as it
    /// answers requests.
    #[arg(long, env = "ASU_KEEP_SUCCEEDED", default_value = "30d", value_parser = duration)]
    pub keep_succeeded: Duration,
    /// How long a failure and its log are kept.
    #[arg(long, env = "ASU_KEEP_FAILED", default_value = "24h", value_parser = duration)]
    pub keep_failed: Duration,
    /// How long a build with a private first-boot script is kept, whether it succeeded or failed.
    #[arg(long, env = "ASU_KEEP_PRIVATE", default_value = "1h", value_parser = duration)]
    pub keep_private: Duration,
}

impl LifetimeSettings {
    /// The policy with these durations.
    pub fn policy(&self) -> LifetimePolicy {
        LifetimePolicy {
            release_fresh: span(self.fresh_release),
            moving_fresh: span(self.fresh_moving),
            private_fresh: span(self.fresh_private),
            failure_fresh: span(self.fresh_failure),
            success_keep: span(self.keep_succeeded),
            failure_keep: span(self.keep_failed),
            private_keep: span(self.keep_private),
            ..LifetimePolicy::default()
        }
    }
}

/// Settings of the leader election.
#[derive(Args, Clone, Debug)]
pub struct LeaseSettings {
    /// Name of the Lease object of the leader election.
    #[arg(long, env = "ASU_LEASE_NAME", default_value = "asu-operator")]
    pub lease_name: String,
    /// Time without a renewal after which another replica takes over.
    #[arg(long, env = "ASU_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,
    /// Time without a successful renewal after which the leader stops writing and exits. It must be
    /// shorter than ASU_LEASE_DURATION.
    #[arg(long, env = "ASU_LEASE_RENEW_DEADLINE", default_value = "10s", value_parser = duration)]
    pub lease_renew_deadline: Duration,
    /// Interval at which the leader renews the Lease.
    #[arg(long, env = "ASU_LEASE_RETRY", default_value = "2s", value_parser = duration)]
    pub lease_retry: Duration,
}

/// Settings of the pods that the operator creates.
#[derive(Args, Clone, Debug)]
pub struct PodSettings {
    /// Container image of populate and build pods, preferably with a digest.
    #[arg(long, env = "ASU_BUILDER_IMAGE")]
    pub builder_image: String,
    /// ServiceAccount of populate and build pods. It needs no permissions.
    #[arg(long, env = "ASU_BUILD_SERVICE_ACCOUNT", default_value = "asu-builder")]
    pub build_service_account: String,
    /// Whether these pods share the node's user namespace. False isolates builds better and needs a
    /// cluster that supports user namespaces.
    #[arg(long, env = "ASU_HOST_USERS", default_value_t = true, action = clap::ArgAction::Set)]
    pub host_users: bool,
    /// Label, as KEY=VALUE, of all pods that must run on one node because the store is on a
    /// ReadWriteOnce volume. Without this setting, pods run on any node.
    #[arg(long, env = "ASU_COLOCATE")]
    pub colocate: Option<String>,
    /// Name of the Secret with the credentials for pulling images.
    #[arg(long, env = "ASU_IMAGE_PULL_SECRET")]
    pub image_pull_secret: Option<String>,
    /// Placement, labels and annotations of populate and build pods, as JSON with the keys
    /// nodeSelector, tolerations, affinity, priorityClassName, runtimeClassName, podAnnotations and
    /// podLabels.
    #[arg(long, env = "ASU_POD_PLACEMENT", default_value = "{}")]
    pub pod_placement: Placement,
}

/// Settings of builds.
#[derive(Args, Clone, Debug)]
pub struct BuildSettings {
    /// Name of the PersistentVolumeClaim of the artifact store.
    #[arg(long, env = "ASU_STORE_CLAIM", default_value = "asu-store")]
    pub store_claim: String,
    /// Maximum number of builds that run at the same time.
    #[arg(long, env = "ASU_MAX_BUILDS", default_value_t = 2)]
    pub max_builds: usize,
    /// Maximum length of the queue. When more builds than this wait, each new FirmwareBuild fails
    /// with `QueueFull`, whether the API or a user of the cluster created it. The API uses the same
    /// limit.
    #[arg(long, env = "ASU_MAX_PENDING", default_value_t = 200)]
    pub max_pending: usize,
    /// CPUs that the pod of a build requests, as a Kubernetes quantity.
    #[arg(long, env = "ASU_BUILD_CPU", default_value = "1")]
    pub build_cpu: String,
    /// Memory of a build, as a Kubernetes quantity.
    #[arg(long, env = "ASU_BUILD_MEMORY", default_value = "1Gi")]
    pub build_memory: String,
    /// Maximum memory of a build. An attempt that ran out of memory is repeated with twice as much
    /// memory, up to this maximum. Without this setting, it is four times ASU_BUILD_MEMORY.
    #[arg(long, env = "ASU_BUILD_MEMORY_MAX")]
    pub build_memory_max: Option<String>,
    /// Maximum size of a build's work folder, in bytes.
    #[arg(long, env = "ASU_BUILD_WORK_BYTES", default_value_t = 4 << 30)]
    pub build_work_bytes: u64,
    /// Maximum time that a pod may wait for a node, its volumes and its images.
    #[arg(long, env = "ASU_BUILD_START_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub build_start_timeout: Duration,
    /// Maximum time between the creation of a build and the creation of the Secret with its
    /// first-boot script.
    #[arg(long, env = "ASU_DEFAULTS_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub defaults_timeout: Duration,
    /// How long the FirmwareBuild object is kept after the build succeeded and was archived.
    #[arg(long, env = "ASU_TTL_SUCCEEDED", default_value = "1h", value_parser = duration)]
    pub ttl_succeeded: Duration,
    /// How long the FirmwareBuild object is kept after the build failed and was archived.
    #[arg(long, env = "ASU_TTL_FAILED", default_value = "24h", value_parser = duration)]
    pub ttl_failed: Duration,
    /// Pause before the first retry after an infrastructure failure. It doubles with each retry.
    #[arg(long, env = "ASU_RETRY_PAUSE", default_value = "10s", value_parser = duration)]
    pub retry_pause: Duration,
}

/// How caches are distributed over PersistentVolumeClaims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClaimMode {
    /// The operator creates a claim for each cache.
    #[value(name = "perCache")]
    PerCache,
    /// All caches share the claim that ASU_CACHE_CLAIM names.
    #[value(name = "shared")]
    Shared,
}

/// Settings of ImageBuilder caches.
#[derive(Args, Clone, Debug)]
pub struct CacheSettings {
    /// Whether each cache has a PersistentVolumeClaim of its own or all caches share one.
    #[arg(long, env = "ASU_CACHE_CLAIM_MODE", value_enum, default_value = "perCache")]
    pub cache_claim_mode: ClaimMode,
    /// Name of the claim that all caches share with ASU_CACHE_CLAIM_MODE=shared.
    #[arg(long, env = "ASU_CACHE_CLAIM", default_value = "asu-cache")]
    pub cache_claim: String,
    /// Storage class of the caches' claims. Without this setting, it is the cluster's default class.
    #[arg(long, env = "ASU_CACHE_STORAGE_CLASS")]
    pub cache_storage_class: Option<String>,
    /// Size of the claim of a cache.
    #[arg(long, env = "ASU_CACHE_SIZE", default_value = "4Gi")]
    pub cache_size: String,
    /// Maximum size of the claim of a cache. If a claim is full, the next attempt asks for twice its
    /// size, up to this.
    #[arg(long, env = "ASU_CACHE_MAX_SIZE", default_value = "16Gi")]
    pub cache_max_size: String,
    /// Access mode of the caches' claims: ReadWriteOnce or ReadWriteMany.
    #[arg(long, env = "ASU_CACHE_ACCESS_MODE", default_value = "ReadWriteOnce")]
    pub cache_access_mode: String,
    /// Time without use after which a cache is deleted, unless it is pinned.
    #[arg(long, env = "ASU_CACHE_MAX_IDLE", default_value = "7d", value_parser = duration)]
    pub cache_max_idle: Duration,
    /// Maximum total size of all caches, in bytes. Above it, the least recently used caches are
    /// deleted.
    #[arg(long, env = "ASU_CACHE_MAX_BYTES")]
    pub cache_max_bytes: Option<u64>,
    /// Maximum run time of a populate pod, which downloads and unpacks one ImageBuilder.
    #[arg(long, env = "ASU_POPULATE_TIMEOUT", default_value = "30m", value_parser = duration)]
    pub populate_timeout: Duration,
    /// Minimum time between two updates of the number of users and the last use in the status of a
    /// cache.
    #[arg(long, env = "ASU_CACHE_USE_INTERVAL", default_value = "1m", value_parser = duration)]
    pub cache_use_interval: Duration,
}

/// A duration of a setting, for calculations with times.
pub fn span(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

fn duration(text: &str) -> Result<Duration, String> {
    let value = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if value.is_zero() { Err("the duration must not be zero".to_owned()) } else { Ok(value) }
}

#[path = "settings_check.rs"]
mod check;

/// The settings of a process that was started with these options.
#[cfg(test)]
pub fn parsed(options: &[&str]) -> Settings {
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }
    let needed = ["test", "--namespace=asu", "--builder-image=builder:1"];
    Cli::parse_from(needed.iter().chain(options)).settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_those_of_the_public_server_unless_a_setting_says_otherwise() {
        assert_eq!(parsed(&[]).lifetimes.policy(), LifetimePolicy::default());
        let changed = parsed(&["--fresh-release=14d", "--keep-private=7d"]).lifetimes.policy();
        let days = |days: i64| SignedDuration::from_hours(days * 24);
        assert_eq!((changed.release_fresh, changed.private_keep), (days(14), days(7)));
        assert_eq!(changed.private_fresh, LifetimePolicy::default().private_fresh);
    }
}
