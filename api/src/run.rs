//! Starts the API's servers and background tasks, and stops them in order. Called by `main.rs` and by
//! tests.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use asu_artifacts::{ArtifactError, ArtifactStore};
use asu_store::{
    PgStore, PoolSettings, StoreError,
    listen::{BUILDS_CHANNEL, CATALOG_CHANNEL, listen},
    settings::NoDatabase,
};
use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin, catalog_news,
    cluster::Cluster,
    config::Settings,
    counters,
    followers::Followers,
    http::{
        router::router,
        server::{Serving, serve},
    },
    state::AppState,
};

/// Maximum time to wait for a connection to the database. After it, the answer is 503.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Maximum time of a call of the database.
const ASK_WITHIN: Duration = Duration::from_secs(8);
/// Maximum number of connections for health checks and metrics.
const ADMIN_CONNECTIONS: usize = 64;
/// Maximum time to wait for creations whose clients have disconnected. A pod has 30 s to stop, of which
/// 20 s may already have passed.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// Interval of checks for a compatible schema of the database.
const SCHEMA_LOOK: Duration = Duration::from_secs(1);

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database is not configured.
    #[error(transparent)]
    NoDatabase(#[from] NoDatabase),
    /// The URL of the database is malformed.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// The artifact store cannot be opened.
    #[error(transparent)]
    Store(#[from] ArtifactError),
    /// The Kubernetes client cannot be configured.
    #[error("the Kubernetes client cannot be configured: {0}")]
    Cluster(String),
    /// A socket cannot be opened.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// Handlers of signals cannot be installed.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
    /// The OpenAPI document cannot be written.
    #[error("cannot write the OpenAPI document: {0}")]
    Document(serde_json::Error),
    /// A setting is below its minimum.
    #[error("{0}")]
    Settings(String),
    /// A background task ended, so the API would answer with old data.
    #[error("{0} has ended, so the process must restart")]
    Ended(&'static str),
}

/// A running API.
#[derive(Debug)]
pub struct Running {
    /// Address on which clients are served.
    pub address: SocketAddr,
    /// Address on which health checks and metrics are served.
    pub admin_address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    followers: Arc<Followers>,
}

impl Running {
    /// Waits until a background task has ended, and returns its description.
    pub async fn broken(&self) -> &'static str {
        self.followers.broken().await
    }

    /// Stops after running requests have ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Runs the API until a signal is received or a background task ends.
///
/// # Errors
/// When it cannot start, or a background task ended.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    // An error means that a provider is already installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let client =
        Client::try_default().await.map_err(|error| RunError::Cluster(error.to_string()))?;
    let running = start(settings, client).await?;
    let broken = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        what = running.broken() => Some(what),
    };
    tracing::info!("shutting down");
    running.stop().await;
    broken.map_or(Ok(()), |what| Err(RunError::Ended(what)))
}

/// Starts servers and background tasks. Dependencies need not be available: until they are, requests
/// that need them are answered with 503.
///
/// # Errors
/// When a setting is wrong or a socket cannot be opened.
pub async fn start(settings: Settings, client: Client) -> Result<Running, RunError> {
    settings.check().map_err(RunError::Settings)?;
    let pool = PoolSettings {
        max_connections: settings.database.database_connections,
        acquire_timeout: CONNECT_WITHIN,
        call_timeout: ASK_WITHIN,
    };
    let database = PgStore::connect(&settings.database.place.read()?, &pool, "asu-api")?;
    let direct_url = settings.database.direct_url()?;
    let artifacts = ArtifactStore::open(&settings.store_url)?;
    let cluster = Cluster::new(client, &settings.namespace);
    let (clients, address) = bind(settings.listen).await?;
    let (admins, admin_address) = bind(settings.admin_listen).await?;
    let (connections, min_rate) = (settings.max_connections, settings.min_download_rate);
    let state = AppState::new(settings, database, artifacts, cluster);
    let router = router(&state).map_err(RunError::Document)?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());

    follow_everything(&state, direct_url, &stop, &tasks);
    let admin = Serving {
        router: admin::router(state.clone()),
        connections: ADMIN_CONNECTIONS,
        min_rate: 1,
    };
    tasks.spawn(serve(admins, admin, stop.clone()));
    let serving = serve(clients, Serving { router, connections, min_rate }, stop.clone());
    let ending = state.clone();
    tasks.spawn(async move {
        serving.await;
        finish_creations(&ending).await;
        counters::write(&ending.counters, &ending.database).await;
        ending.database.close().await;
    });
    tasks.close();
    tracing::info!(%address, %admin_address, "serving");
    Ok(Running { address, admin_address, stop, tasks, followers: state.followers.clone() })
}

async fn finish_creations(state: &AppState) {
    state.creating.close();
    if tokio::time::timeout(FINISH_WITHIN, state.creating.wait()).await.is_err() {
        tracing::warn!(
            creations = state.creating.len(),
            "some creations of builds did not end before the shutdown"
        );
    }
}

/// Starts the background tasks.
fn follow_everything(
    state: &AppState,
    direct_url: String,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let hints = listen(direct_url, [CATALOG_CHANNEL, BUILDS_CHANNEL]);
    let changed = Arc::new(Notify::new());
    let (watched, counted) = (state.clone(), state.clone());
    let follow: [(&'static str, BoxFuture<'static, ()>); 4] = [
        (
            "the listener for notifications of the database",
            catalog_news::follow(state.clone(), hints, changed.clone()).boxed(),
        ),
        (
            "the reader of the catalog",
            catalog_news::reload_on_change(state.clone(), changed).boxed(),
        ),
        (
            "the writer of counters",
            async move { counters::follow(&counted.counters, &counted.database).await }.boxed(),
        ),
        ("the watch of FirmwareBuilds", async move { watched.cluster.follow().await }.boxed()),
    ];
    for (what, task) in follow {
        let (stop, state) = (stop.clone(), state.clone());
        tasks.spawn(async move { state.followers.follow(what, task, &stop).await });
    }
    let (stop, state) = (stop.clone(), state.clone());
    tasks.spawn(async move { stop.run_until_cancelled(wait_for_schema(state)).await });
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let failed = |error| RunError::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn wait_for_schema(state: AppState) {
    loop {
        match state.database.schema_state().await {
            Ok(schema) if schema.fits() => return state.set_schema_fits(),
            Ok(schema) => tracing::warn!(?schema, "waiting for a compatible database schema"),
            Err(error) => {
                tracing::warn!(%error, "the version of the database's schema cannot be read yet");
            }
        }
        tokio::time::sleep(SCHEMA_LOOK).await;
    }
}
