//! What every controller of a leader shares.

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

/// Tells how full the store is.
pub type Room = Arc<dyn Fn() -> Result<Option<Space>, ArtifactError> + Send + Sync>;

/// Shared by all controllers for the time that this process leads.
pub struct Context {
    /// Kubernetes.
    pub client: Client,
    /// How the operator runs.
    pub settings: Settings,
    /// What the watches see.
    pub stores: Stores,
    /// Wakes reconciliations.
    pub triggers: Arc<Triggers>,
    /// The database.
    pub database: PgStore,
    /// The files.
    pub artifacts: ArtifactStore,
    /// How full the store is.
    pub room: Room,
    /// Whether the store has room for another build.
    pub admission: crate::retention::pause::AdmissionPause,
    /// Fences writes to the database; absent until the database could be asked for it.
    pub epoch: watch::Receiver<Option<i64>>,
    /// The queue of builds.
    pub queue: Queue,
    /// FirmwareBuilds as we last wrote them.
    pub recent_builds: Recent<FirmwareBuild>,
    /// ImageBuilderCaches as we last wrote them.
    pub recent_caches: Recent<ImageBuilderCache>,
    /// Distributions as we last wrote them.
    pub recent_distributions: Recent<Distribution>,
    /// What was read of upstream.
    pub catalogs: crate::distribution::Memories,
    /// When caches' use was last written.
    pub cache_use: crate::cache::UseClock,
    /// When caches were given other trees.
    pub cache_switches: crate::cache::Switches,
    /// Followers of build pods' logs.
    pub followers: Followers,
    /// Pauses after errors.
    pub backoffs: Backoffs,
    /// Events on objects.
    pub events: Events,
    /// Measured values.
    pub metrics: Metrics,
    /// Tasks beside the controllers.
    pub tasks: TaskTracker,
    /// Cancelled when leading ends.
    pub stop: CancellationToken,
}

impl Context {
    /// The API of one of our kinds in our namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }

    /// The epoch of this leadership.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the database has not given one.
    pub fn epoch(&self) -> Result<i64, StoreError> {
        let epoch = *self.epoch.borrow();
        epoch.ok_or_else(|| StoreError::Unavailable("it has not been reached yet".to_owned()))
    }

    /// The present time in whole seconds, as objects hold it.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock for builds")]
    pub fn now(&self) -> Timestamp {
        whole_seconds(Timestamp::now())
    }
}

/// Objects hold times in whole seconds; one with a fraction would differ from itself read back.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
