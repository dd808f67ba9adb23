//! Runs the operator in its own runtime, so that all its tasks end with it.

use std::sync::Arc;

use asu_artifacts::ArtifactStore;
use asu_core::retention::Space;
use asu_operator::{
    run::{Backends, RunError, run},
    settings::Settings,
};
use clap::Parser;
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{stopping::StopPoint, wait::PATIENCE, world::World};

/// Returns the used and total space of the store for the operator.
pub type Fill = Arc<dyn Fn() -> Space + Send + Sync>;

/// Default options. The lease is long enough for a busy machine, and short enough for tests that wait
/// for the next leader.
const USUAL: [&str; 7] = [
    "--cache-claim-mode=shared",
    "--builder-image=builder:1",
    "--listen=127.0.0.1:0",
    "--retry-pause=1s",
    "--lease-duration=12s",
    "--lease-renew-deadline=9s",
    "--lease-retry=500ms",
];

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

/// A running operator. Dropping it ends it as SIGKILL would: nothing is drained or released, and none
/// of its tasks continues.
pub struct Operator {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
    runtime: Option<Runtime>,
}

impl World {
    /// A world with an operator `a`, with these options.
    pub async fn with_operator(options: &[&str]) -> (Self, Operator) {
        let world = Self::new().await;
        let operator = world.operator("a", options).await;
        (world, operator)
    }

    /// A world with an operator `a` in which builds can start: their cache is ready.
    pub async fn with_ready_cache(options: &[&str]) -> (Self, Operator) {
        let (world, operator) = Self::with_operator(options).await;
        world.ready_cache().await;
        (world, operator)
    }

    /// Starts an operator with this name and additional options. It sees a nearly empty store, even if
    /// this machine's disk is full.
    pub async fn operator(&self, name: &str, options: &[&str]) -> Operator {
        let nearly_empty = Arc::new(|| Space { used: 1, capacity: 100 });
        self.operator_with(name, options, nearly_empty).await
    }

    /// Starts an operator that sees this fill level of the store.
    pub async fn operator_with(&self, name: &str, options: &[&str], fill: Fill) -> Operator {
        let client = |config| kube::Client::try_from(config).expect("a client");
        Operator::start(self, settings(self, name, options), fill, client).await
    }

    /// Starts an operator that stops at this point.
    pub async fn operator_until(&self, name: &str, options: &[&str], stop: &StopPoint) -> Operator {
        let nearly_empty = Arc::new(|| Space { used: 1, capacity: 100 });
        let client = |config| stop.client(config);
        Operator::start(self, settings(self, name, options), nearly_empty, client).await
    }
}

fn settings(world: &World, name: &str, options: &[&str]) -> Settings {
    let pod = format!("--pod-name={name}");
    let namespace = format!("--namespace={}", world.namespace);
    let key = |option: &str| option.split('=').next().map(str::to_owned);
    let given = |usual: &&str| options.iter().any(|option| key(option) == key(usual));
    let usual = USUAL.into_iter().filter(|usual| !given(usual));
    let all = ["test", pod.as_str(), namespace.as_str()];
    Cli::parse_from(all.into_iter().chain(usual).chain(options.iter().copied())).settings
}

impl Operator {
    async fn start(
        world: &World,
        settings: Settings,
        fill: Fill,
        client: impl FnOnce(kube::Config) -> kube::Client,
    ) -> Self {
        let url = format!("file://{}", world.store.path().display());
        let config = world.plane.config().await.expect("a configuration");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let inside = runtime.enter();
        let backends = Backends {
            client: client(config),
            database: world.pg_store(),
            artifacts: ArtifactStore::open(&url).expect("a store"),
            room: Arc::new(move || Ok(Some(fill()))),
        };
        drop(inside);
        let stop = CancellationToken::new();
        let task = runtime.spawn(run(settings, backends, stop.clone()));
        Self { stop, task, runtime: Some(runtime) }
    }

    /// Ends it as SIGTERM does.
    ///
    /// # Errors
    /// As the operator's process.
    pub async fn terminate(mut self) -> Result<(), RunError> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As the operator's process.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        let ended = tokio::time::timeout(PATIENCE, &mut self.task).await;
        ended.expect("the operator ends").expect("the operator does not panic")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
