//! The state that all controllers of a leader share. Made by `run.rs` when leading begins, and
//! dropped when it ends.

use std::sync::Arc;

use asu_artifacts::{ArtifactError, ArtifactStore};
use asu_core::retention::Space;
use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache};
use asu_store::{PgStore, StoreError};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    queue::Queue,
    runtime::{backoff::Backoffs, events::Events, metrics::Metrics},
    settings::Settings,
    stages::followers::Followers,
    watches::{Recent, Stores, Triggers},
};

/// Measures the used space of the artifact store.
pub type MeasureSpace = Arc<dyn Fn() -> Result<Option<Space>, ArtifactError> + Send + Sync>;

/// Shared by all controllers for the time that this process leads.
pub struct Context {
    /// Client of the API server.
    pub client: Client,
    /// The operator's settings.
    pub settings: Settings,
    /// Caches of the watches.
    pub stores: Stores,
    /// Triggers reconciliations.
    pub triggers: Arc<Triggers>,
    /// The database.
    pub database: PgStore,
    /// The files.
    pub artifacts: ArtifactStore,
    /// Measures the artifact store.
    pub room: MeasureSpace,
    /// Whether the store has room for another build.
    pub admission: crate::retention::pause::AdmissionPause,
    /// Epoch that fences writes to the database; absent until the database has assigned one.
    pub epoch: watch::Receiver<Option<i64>>,
    /// The queue of builds.
    pub queue: Queue,
    /// FirmwareBuilds as this process last wrote them.
    pub recent_builds: Recent<FirmwareBuild>,
    /// ImageBuilderCaches as this process last wrote them.
    pub recent_caches: Recent<ImageBuilderCache>,
    /// Distributions as this process last wrote them.
    pub recent_distributions: Recent<Distribution>,
    /// State kept between readings of upstream.
    pub catalogs: crate::distribution::Memories,
    /// When the usage of each cache is to be written.
    pub cache_use: crate::cache::UseClock,
    /// When the builds of each cache last got another tree.
    pub cache_switches: crate::cache::Switches,
    /// Progress of populate pods.
    pub cache_progress: crate::cache::Progresses,
    /// Followers of build pods' logs.
    pub followers: Followers,
    /// Pauses after errors.
    pub backoffs: Backoffs,
    /// Events on objects.
    pub events: Events,
    /// Metrics of the process.
    pub metrics: Metrics,
    /// Background tasks besides the controllers.
    pub tasks: TaskTracker,
    /// Cancelled when leading ends.
    pub stop: CancellationToken,
}

impl Context {
    /// The API of a kind in the operator's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }

    /// The epoch of this leadership.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the database has not assigned one.
    pub fn epoch(&self) -> Result<i64, StoreError> {
        let epoch = *self.epoch.borrow();
        epoch.ok_or_else(|| StoreError::Unavailable("no connection yet".to_owned()))
    }

    /// The current time in whole seconds, as objects contain it.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock for builds")]
    pub fn now(&self) -> Timestamp {
        whole_seconds(Timestamp::now())
    }
}

/// Cuts a time to whole seconds, as objects contain them: a fraction would be lost when it is read
/// back.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
