//! The life cycle of the process: fills the watch caches, waits for the Lease, leads, and releases
//! it. Called by `main.rs`.

use std::{sync::Arc, time::Duration};

use asu_artifacts::{ArtifactError, ArtifactStore};
use asu_store::{PgStore, PoolSettings, StoreError, settings::NoDatabase};
use kube::Client;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    build, cache,
    context::{Context, MeasureSpace},
    distribution,
    leader::{LeaderError, Leadership, acquire},
    queue::Queue,
    retention,
    runtime::{
        events::Events,
        health::{self, Readiness},
        metrics::Metrics,
        reconcile,
    },
    settings::Settings,
    watches::{Kind, Stores, Triggers, WatchEnded},
};

/// Safety margin between the end of draining and the earliest time at which another process may
/// lead.
const SAFE: Duration = Duration::from_secs(1);

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings contradict each other.
    #[error("settings: {0}")]
    Settings(String),
    /// The database is not configured.
    #[error(transparent)]
    Database(#[from] NoDatabase),
    /// The database's URL is malformed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact store cannot be opened.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// The client of the API server cannot be configured.
    #[error("the Kubernetes client failed: {0}")]
    Kube(#[from] kube::Error),
    /// The port for health and metrics cannot be opened.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The watches did not become complete.
    #[error(transparent)]
    Watch(#[from] WatchEnded),
    /// The Lease was lost.
    #[error(transparent)]
    Leader(#[from] LeaderError),
    /// The epoch of another leader has fenced this one.
    #[error("a newer leader has taken over")]
    Fenced,
}

/// The services that the operator uses.
pub struct Backends {
    /// Client of the API server.
    pub client: Client,
    /// The database.
    pub database: PgStore,
    /// The files.
    pub artifacts: ArtifactStore,
    /// Measures the artifact store.
    pub room: MeasureSpace,
}

impl Backends {
    /// Opens the services that the settings name.
    ///
    /// # Errors
    /// When a setting is malformed. The database may still be unavailable.
    pub async fn open(settings: &Settings) -> Result<Self, RunError> {
        let url = settings.database.read()?;
        let store = PgStore::connect(&url, &PoolSettings::default(), "asu-operator")?;
        let artifacts = ArtifactStore::open(&settings.store_url)?;
        let volume = artifacts.clone();
        Ok(Self {
            client: Client::try_default().await?,
            database: store,
            artifacts,
            room: Arc::new(move || volume.space()),
        })
    }
}

/// Runs until `stop` is cancelled, or the Lease is lost.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    settings: Settings,
    backends: Backends,
    stop: CancellationToken,
) -> Result<(), RunError> {
    settings.check().map_err(RunError::Settings)?;
    let metrics = Metrics::default();
    metrics.max_pending(settings.builds.max_pending);
    let readiness = Readiness::default();
    let listener = TcpListener::bind(settings.listen).await?;
    // Watches and the health port run until after leading, and end last.
    let (background, last) = (TaskTracker::new(), CancellationToken::new());
    let serving = health::serve(listener, readiness.clone(), metrics.clone(), last.clone());
    background.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server for health checks and metrics failed");
        }
    });
    let triggers = Arc::new(Triggers::new(&settings.namespace));
    let stores =
        Stores::watch(&backends.client, &settings.namespace, &triggers, &background, &last);
    let outcome = match stop.run_until_cancelled(stores.ready()).await {
        None => Ok(()),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(())) => {
            tracing::info!("the watches are complete");
            let fits = schema_fits(&backends.database);
            if stop.run_until_cancelled(fits).await.is_some() {
                readiness.ready();
                let follower = Follower { settings, backends, stores, triggers, metrics };
                follower.wait_and_lead(&stop).await
            } else {
                Ok(())
            }
        }
    };
    last.cancel();
    background.close();
    background.wait().await;
    outcome
}

struct Follower {
    settings: Settings,
    backends: Backends,
    stores: Stores,
    triggers: Arc<Triggers>,
    metrics: Metrics,
}

impl Follower {
    async fn wait_and_lead(self, stop: &CancellationToken) -> Result<(), RunError> {
        let settings = &self.settings;
        let lease = acquire(
            self.backends.client.clone(),
            &settings.namespace,
            &settings.lease,
            &settings.pod_name,
            stop,
        );
        let Some(leadership) = lease.await else { return Ok(()) };
        tracing::info!(lease = %settings.lease.lease_name, "became leader");
        self.metrics.leads(true);
        self.lead(leadership, stop).await
    }

    async fn lead(
        &self,
        mut leadership: Leadership,
        stop: &CancellationToken,
    ) -> Result<(), RunError> {
        let leading = stop.child_token();
        let (epoch, epoch_seen) = watch::channel(None);
        let context = Arc::new(self.context(epoch_seen, leading.clone()));
        let tasks = context.tasks.clone();
        // Before any build asks for a place: none starts before the store is known to have room.
        let policy = retention::policy(&self.settings);
        if let Err(error) = retention::admission::look(&context, &policy).await {
            tracing::warn!(%error, "no build starts until the store can be measured");
        }
        tasks.spawn(raise_epoch(context.clone(), epoch));
        tasks.spawn(retention::run(context.clone()));
        start_controllers(&context);
        let kept = leadership.keep(&leading).await;
        self.metrics.leads(false);
        let fenced = !stop.is_cancelled();
        self.triggers.close();
        leading.cancel();
        tasks.close();
        // A process that lost the Lease must not finish its running work: it ends at once.
        kept?;
        // The Lease is no longer renewed: draining must end before another process could take it.
        let patience = leadership.time_left().saturating_sub(SAFE);
        let patience = patience.min(self.settings.lease.lease_duration / 2);
        let drained = tokio::time::timeout(patience, tasks.wait()).await.is_ok();
        if fenced {
            return Err(RunError::Fenced);
        }
        if drained {
            leadership.release().await;
        }
        Ok(())
    }

    fn context(&self, epoch: watch::Receiver<Option<i64>>, stop: CancellationToken) -> Context {
        let queue = Queue::new(self.settings.builds.max_builds, self.metrics.clone());
        let client = self.backends.client.clone();
        Context {
            events: Events::new(client.clone(), &self.settings.pod_name),
            client,
            settings: self.settings.clone(),
            stores: self.stores.clone(),
            triggers: self.triggers.clone(),
            database: self.backends.database.clone(),
            artifacts: self.backends.artifacts.clone(),
            room: self.backends.room.clone(),
            admission: retention::pause::AdmissionPause::default(),
            epoch,
            queue,
            recent_builds: crate::watches::Recent::default(),
            recent_caches: crate::watches::Recent::default(),
            recent_distributions: crate::watches::Recent::default(),
            catalogs: distribution::Memories::default(),
            cache_use: cache::UseClock::default(),
            cache_switches: cache::Switches::default(),
            cache_progress: cache::Progresses::default(),
            followers: crate::stages::followers::Followers::default(),
            backoffs: crate::runtime::backoff::Backoffs::default(),
            metrics: self.metrics.clone(),
            tasks: TaskTracker::new(),
            stop,
        }
    }
}

fn start_controllers(context: &Arc<Context>) {
    let (triggers, stores, tasks) = (&context.triggers, &context.stores, &context.tasks);
    let forgetful = Arc::downgrade(context);
    triggers.on_gone(move |kind, uid| {
        let Some(context) = forgetful.upgrade() else { return };
        context.backoffs.forget(uid);
        match kind {
            Kind::Distribution => context.recent_distributions.forget(uid),
            Kind::Cache => {
                context.recent_caches.forget(uid);
                context.cache_use.forget(uid);
                context.cache_switches.forget(uid);
                context.cache_progress.forget(uid);
            }
            Kind::Build => build::forget(&context, uid),
        }
    });
    // After the callback for deleted objects is set: otherwise a deleted build could stay in the
    // queue.
    build::seed(context);
    let shared = || context.clone();
    tasks.spawn(reconcile::run(
        "distribution",
        shared(),
        stores.distributions.clone(),
        triggers.distributions.open(),
        distribution::reconcile,
    ));
    tasks.spawn(reconcile::run(
        "cache",
        shared(),
        stores.caches.clone(),
        triggers.caches.open(),
        cache::reconcile,
    ));
    tasks.spawn(reconcile::run(
        "build",
        shared(),
        stores.builds.clone(),
        triggers.builds.open(),
        build::reconcile,
    ));
    triggers.everything(stores);
}

/// Waits for a schema that this program may use: the leader writes to it.
async fn schema_fits(database: &PgStore) {
    loop {
        match database.schema_state().await {
            Ok(state) if state.fits() => return,
            Ok(state) => tracing::warn!(?state, "waiting for a compatible database schema"),
            Err(error) => tracing::warn!(%error, "waiting for the database"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// Raises the epoch, which fences every earlier leader. While the database is unavailable, builds
/// go on and their records wait.
async fn raise_epoch(context: Arc<Context>, epoch: watch::Sender<Option<i64>>) {
    loop {
        match context.stop.run_until_cancelled(context.database.raise_epoch()).await {
            None => return,
            Some(Ok(raised)) => {
                tracing::info!(
                    epoch = raised,
                    "raised the epoch; the database refuses writes of earlier leaders"
                );
                epoch.send_replace(Some(raised));
                // What failed without an epoch is retried at once.
                context.triggers.everything(&context.stores);
                return;
            }
            Some(Err(error)) if error.ends_leading() => {
                tracing::error!(%error, "the epoch cannot be raised; giving up leadership");
                context.stop.cancel();
                return;
            }
            Some(Err(error)) => tracing::warn!(%error, "the epoch cannot be raised yet"),
        }
        let pause = tokio::time::sleep(std::time::Duration::from_secs(1));
        if context.stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}
