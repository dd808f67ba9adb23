//! How the operator runs. What it offers is in the custom resources.

use std::{net::SocketAddr, time::Duration};

use asu_store::settings::DatabaseUrl;
use clap::{Args, ValueEnum};

use crate::pods::placement::Placement;

/// Settings of the operator. Each can be given as an option or in the environment.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Namespace that is served; objects elsewhere are ignored.
    #[arg(long, env = "ASU_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub database: DatabaseUrl,
    /// Artifact store, for example file:///asu/store.
    #[arg(long, env = "ASU_STORE_URL", default_value = "file:///asu/store")]
    pub store_url: String,
    /// Where health and metrics are served.
    #[arg(long, env = "ASU_LISTEN", default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
    /// Name of this process in the Lease and in events.
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
    /// Time between two readings of upstream.
    #[arg(long, env = "ASU_CATALOG_INTERVAL", default_value = "10m", value_parser = duration)]
    pub catalog_interval: Duration,
    /// Time between two looks for files to delete.
    #[arg(long, env = "ASU_RETENTION_INTERVAL", default_value = "5m", value_parser = duration)]
    pub retention_interval: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub store: StoreSettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its docs would become a help text of the whole group")]
    pub retention: RetentionSettings,
}

/// Room in the artifact store.
#[derive(Args, Clone, Debug)]
pub struct StoreSettings {
    /// Percentage of the store from which files go before their time.
    #[arg(long, env = "ASU_STORE_HIGH_WATER", default_value_t = 85,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub store_high_water: u8,
    /// Percentage of the store down to which they go.
    #[arg(long, env = "ASU_STORE_LOW_WATER", default_value_t = 75,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub store_low_water: u8,
    /// Percentage of the store from which no build is admitted.
    #[arg(long, env = "ASU_STORE_PAUSE", default_value_t = 95,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub store_pause: u8,
    /// Age below which files that still answer requests are not given up for want of room. Files
    /// whose answer is stale go before.
    #[arg(long, env = "ASU_STORE_MIN_AGE", default_value = "1h", value_parser = duration)]
    pub store_min_age: Duration,
    /// Bytes that may be used of the store, for a volume that does not tell its capacity or is
    /// shared with others; the volume's own capacity when absent.
    #[arg(long, env = "ASU_STORE_CAPACITY", value_parser = clap::value_parser!(u64).range(1..))]
    pub store_capacity: Option<u64>,
}

/// How long things are kept after their time.
#[derive(Args, Clone, Debug)]
pub struct RetentionSettings {
    /// Time between the end of keeping a build and the deletion of its files, so that a download
    /// that began in time ends.
    #[arg(long, env = "ASU_RETENTION_GRACE", default_value = "1h", value_parser = duration)]
    pub retention_grace: Duration,
    /// Files are left alone for so long after one beside them was written: the build that wrote it
    /// may not be recorded yet.
    #[arg(long, env = "ASU_RETENTION_SPARE", default_value = "1h", value_parser = duration)]
    pub retention_spare: Duration,
    /// Files, logs and results that belong to no build are deleted at this age.
    #[arg(long, env = "ASU_RETENTION_ORPHANS", default_value = "24h", value_parser = duration)]
    pub retention_orphans: Duration,
    /// How long the history of a build is kept after its files and its log are gone.
    #[arg(long, env = "ASU_HISTORY", default_value = "365d", value_parser = duration)]
    pub history: Duration,
}

/// The Lease that makes one replica the leader.
#[derive(Args, Clone, Debug)]
pub struct LeaseSettings {
    /// Name of the Lease.
    #[arg(long, env = "ASU_LEASE_NAME", default_value = "asu-operator")]
    pub lease_name: String,
    /// Time without renewal after which another replica takes over.
    #[arg(long, env = "ASU_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,
    /// Time without a successful renewal after which the leader stops writing and ends. Shorter
    /// than the duration.
    #[arg(long, env = "ASU_LEASE_RENEW_DEADLINE", default_value = "10s", value_parser = duration)]
    pub lease_renew_deadline: Duration,
    /// Time between two renewals.
    #[arg(long, env = "ASU_LEASE_RETRY", default_value = "2s", value_parser = duration)]
    pub lease_retry: Duration,
}

/// Pods that the operator makes.
#[derive(Args, Clone, Debug)]
pub struct PodSettings {
    /// Image that populate and build pods run, best by digest.
    #[arg(long, env = "ASU_BUILDER_IMAGE")]
    pub builder_image: String,
    /// ServiceAccount of these pods; it needs no rights.
    #[arg(long, env = "ASU_BUILD_SERVICE_ACCOUNT", default_value = "asu-builder")]
    pub build_service_account: String,
    /// Whether these pods share the node's user namespace. False isolates better and needs a
    /// cluster that supports user namespaces.
    #[arg(long, env = "ASU_HOST_USERS", default_value_t = true, action = clap::ArgAction::Set)]
    pub host_users: bool,
    /// Label, as KEY=VALUE, of all pods that must share one node because the store is on a
    /// ReadWriteOnce volume. Absent: pods go anywhere.
    #[arg(long, env = "ASU_COLOCATE")]
    pub colocate: Option<String>,
    /// Secret with which images are pulled.
    #[arg(long, env = "ASU_IMAGE_PULL_SECRET")]
    pub image_pull_secret: Option<String>,
    /// Where these pods run and what they wear besides, as JSON with the keys nodeSelector,
    /// tolerations, affinity, priorityClassName, runtimeClassName, podAnnotations and podLabels.
    #[arg(long, env = "ASU_POD_PLACEMENT", default_value = "{}")]
    pub pod_placement: Placement,
}

/// Builds.
#[derive(Args, Clone, Debug)]
pub struct BuildSettings {
    /// Claim of the artifact store.
    #[arg(long, env = "ASU_STORE_CLAIM", default_value = "asu-store")]
    pub store_claim: String,
    /// Most builds that run at a time.
    #[arg(long, env = "ASU_MAX_BUILDS", default_value_t = 2)]
    pub max_builds: usize,
    /// Builds that come when more than this wait are turned away (`QueueFull`), by whomever they
    /// were made. The API refuses requests by the same number.
    #[arg(long, env = "ASU_MAX_PENDING", default_value_t = 200)]
    pub max_pending: usize,
    /// CPUs of a build.
    #[arg(long, env = "ASU_BUILD_CPU", default_value = "1")]
    pub build_cpu: String,
    /// Memory of a build.
    #[arg(long, env = "ASU_BUILD_MEMORY", default_value = "1Gi")]
    pub build_memory: String,
    /// Most memory of a build: an attempt that ran out of memory is followed by one with twice as
    /// much, up to this. Four times ASU_BUILD_MEMORY when absent.
    #[arg(long, env = "ASU_BUILD_MEMORY_MAX")]
    pub build_memory_max: Option<String>,
    /// Most bytes of a build's work folder.
    #[arg(long, env = "ASU_BUILD_WORK_BYTES", default_value_t = 4 << 30)]
    pub build_work_bytes: u64,
    /// How long a pod may wait for a node, its volumes and its images.
    #[arg(long, env = "ASU_BUILD_START_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub build_start_timeout: Duration,
    /// How long a private first-boot script may take to arrive.
    #[arg(long, env = "ASU_DEFAULTS_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub defaults_timeout: Duration,
    /// How long the object of a build is kept after it succeeded and was archived.
    #[arg(long, env = "ASU_TTL_SUCCEEDED", default_value = "1h", value_parser = duration)]
    pub ttl_succeeded: Duration,
    /// How long the object of a build is kept after it failed and was archived.
    #[arg(long, env = "ASU_TTL_FAILED", default_value = "24h", value_parser = duration)]
    pub ttl_failed: Duration,
    /// First pause before an infrastructure failure is tried again; it doubles.
    #[arg(long, env = "ASU_RETRY_PAUSE", default_value = "10s", value_parser = duration)]
    pub retry_pause: Duration,
}

/// One claim for each cache, or one for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClaimMode {
    /// A claim for each cache, made by the operator.
    #[value(name = "perCache")]
    PerCache,
    /// One claim for all caches, named by ASU_CACHE_CLAIM.
    #[value(name = "shared")]
    Shared,
}

/// ImageBuilder caches.
#[derive(Args, Clone, Debug)]
pub struct CacheSettings {
    /// One claim for each cache, or one for all.
    #[arg(long, env = "ASU_CACHE_CLAIM_MODE", value_enum, default_value = "perCache")]
    pub cache_claim_mode: ClaimMode,
    /// The claim of the mode `shared`.
    #[arg(long, env = "ASU_CACHE_CLAIM", default_value = "asu-cache")]
    pub cache_claim: String,
    /// Storage class of claims; the cluster's default when empty.
    #[arg(long, env = "ASU_CACHE_STORAGE_CLASS")]
    pub cache_storage_class: Option<String>,
    /// Size of a claim.
    #[arg(long, env = "ASU_CACHE_SIZE", default_value = "4Gi")]
    pub cache_size: String,
    /// Access mode of claims.
    #[arg(long, env = "ASU_CACHE_ACCESS_MODE", default_value = "ReadWriteOnce")]
    pub cache_access_mode: String,
    /// A cache that is not pinned and that nothing used for so long is deleted.
    #[arg(long, env = "ASU_CACHE_MAX_IDLE", default_value = "7d", value_parser = duration)]
    pub cache_max_idle: Duration,
    /// Bytes of all trees above which the least recently used go.
    #[arg(long, env = "ASU_CACHE_MAX_BYTES")]
    pub cache_max_bytes: Option<u64>,
    /// Longest time of one populate pod.
    #[arg(long, env = "ASU_POPULATE_TIMEOUT", default_value = "30m", value_parser = duration)]
    pub populate_timeout: Duration,
    /// How often the number of users and the last use are written to a cache's status at most.
    #[arg(long, env = "ASU_CACHE_USE_INTERVAL", default_value = "1m", value_parser = duration)]
    pub cache_use_interval: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let value = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if value.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(value) }
}

#[path = "settings_check.rs"]
mod check;

/// What a process with these options would run with.
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
