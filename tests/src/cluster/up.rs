//! Brings a cluster up. Each step looks at what is there and does what is missing, so that a run that was interrupted
//! is finished by the next one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::local::{Cluster, ClusterConfig};
use super::node::Node;
use super::paths::Paths;
use super::process::{Processes, Spec};
use super::servers::Plane;
use super::state::{Lock, State};
use super::wait::until;
use super::{Error, addons, files, image, netns};
use crate::progress::Progress;
use crate::toolchain::{Family, Toolchain, debian};

/// The API server is ready within 3 s on a quiet machine.
const READY: Duration = Duration::from_mins(2);
/// Ports of the controllers inside the namespace.
const MANAGER_PORT: u16 = 10257;
const SCHEDULER_PORT: u16 = 10259;
/// Names of the control plane's processes.
pub(super) const PLANE: [&str; 5] =
    ["etcd", "apiserver", "forward", "controller-manager", "scheduler"];
/// How many of them come before the API server is ready. The others end when it does not know their rights yet.
const FIRST: usize = 3;

/// See [`Cluster::up`].
pub(super) async fn run(config: &ClusterConfig, progress: &Progress) -> Result<Cluster, Error> {
    let paths = config.paths()?;
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    debian::ensure(progress).await?;
    let toolchain = Toolchain::ensure(Family::ALL, progress).await?;
    let _lock = Lock::take(&paths).await?;
    let images = addons::images(&toolchain, progress).await?;
    let mut state = State::load_or_create(&paths)?;
    state.nodes.extend(
        (1..=config.nodes).filter(|number| !state.nodes.contains(number)).collect::<Vec<_>>(),
    );
    state.save(&paths)?;
    let cluster = Cluster { paths, state, toolchain };
    let plane = cluster.plane()?;
    plane.prepare()?;
    let processes = Processes::new(cluster.paths.dir());
    progress.step("network namespace", netns::ensure(&cluster.paths, 1)).await?;
    start(
        &cluster,
        &processes,
        [("etcd", "etcd", plane.etcd()), ("apiserver", "kube-apiserver", plane.apiserver())],
    )
    .await?;
    forward(&cluster.paths, &cluster.state, &processes, config.forwarder.as_deref()).await?;
    for number in cluster.state.nodes.clone() {
        let node = cluster.node(&plane, number);
        let name = super::node::name(number);
        progress
            .step(&format!("containers of {name}"), runtime(&node, &processes, &images))
            .await?;
    }
    let client = cluster.client().await?;
    progress.step("API server", api_ready(&processes, &client)).await?;
    finish(&cluster, &plane, &processes, &client, progress).await?;
    progress.say(&format!(
        "cluster {} is up: {} {}",
        cluster.name(),
        cluster.api_url(),
        cluster.ingress_url()
    ));
    Ok(cluster)
}

async fn runtime(node: &Node<'_>, processes: &Processes, images: &[&str]) -> Result<(), Error> {
    if node.number > 1 {
        netns::ensure(node.paths, node.number).await?;
    }
    node.runtime(processes).await?;
    for tag in images {
        image::load_into(node, tag).await?;
    }
    Ok(())
}

async fn finish(
    cluster: &Cluster,
    plane: &Plane,
    processes: &Processes,
    client: &kube::Client,
    progress: &Progress,
) -> Result<(), Error> {
    let manager = plane.controller_manager("*", MANAGER_PORT)?;
    let servers = [
        ("controller-manager", "kube-controller-manager", manager),
        ("scheduler", "kube-scheduler", plane.scheduler(SCHEDULER_PORT)?),
    ];
    start(cluster, processes, servers).await?;
    let kubectl = cluster.toolchain.program("kubectl")?;
    progress.step("add-ons", addons::apply(&cluster.paths, &cluster.state, &kubectl)).await?;
    for number in cluster.state.nodes.clone() {
        let node = cluster.node(plane, number);
        node.agents(processes).await?;
        progress.step(&super::node::name(number), node.ready(processes, client)).await?;
    }
    progress.step("DNS, ingress and volumes", addons::ready(client)).await?;
    PLANE.iter().try_for_each(|name| processes.check(name))
}

/// Starts servers of the control plane unless they run.
async fn start<const N: usize>(
    cluster: &Cluster,
    processes: &Processes,
    servers: [(&str, &str, Vec<OsString>); N],
) -> Result<(), Error> {
    for (name, program, arguments) in servers {
        let spec = Spec {
            name: name.to_owned(),
            program: cluster.toolchain.program(program)?,
            arguments,
            environment: BTreeMap::new(),
            netns: Some(cluster.paths.netns_path(1)),
        };
        processes.ensure(&spec).await?;
    }
    Ok(())
}

/// Starts the listeners on this machine's loopback, from a copy of the program: the original may be rebuilt.
async fn forward(
    paths: &Paths,
    state: &State,
    processes: &Processes,
    program: Option<&Path>,
) -> Result<(), Error> {
    let copy = paths.dir().join("bin").join("forward");
    if !processes.is_alive("forward") {
        let current = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
        let program = program.unwrap_or(&current);
        files::make_dir(&paths.dir().join("bin"))?;
        let partial = copy.with_extension("partial");
        std::fs::copy(program, &partial).map_err(Error::io(program))?;
        std::fs::rename(&partial, &copy).map_err(Error::io(&copy))?;
    }
    let mut arguments: Vec<OsString> = vec!["cluster".into(), "forward".into(), "--netns".into()];
    arguments.push(paths.netns_path(1).into());
    for port in [state.api_port, state.ingress_port] {
        arguments.extend(["--port".into(), port.to_string().into()]);
    }
    let name = "forward".to_owned();
    let spec = Spec { name, program: copy, arguments, environment: BTreeMap::new(), netns: None };
    processes.ensure(&spec).await.map(drop)
}

async fn api_ready(processes: &Processes, client: &kube::Client) -> Result<(), Error> {
    until("the API server", READY, || async {
        for name in PLANE.iter().take(FIRST) {
            processes.check(name)?;
        }
        super::readyz(client).await
    })
    .await
}
