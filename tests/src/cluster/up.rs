//! Brings a cluster up. Each step is idempotent: it checks what exists and creates what is missing, so that the next
//! run completes an interrupted one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::local::{Cluster, ClusterConfig};
use super::node::Node;
use super::process::{Processes, Spec};
use super::servers::{PLANE, Plane};
use super::state::{Lock, State};
use super::wait::until;
use super::{Error, addons, files, image, netns, reach};
use crate::progress::Progress;
use crate::toolchain::{self, Family, Toolchain};

/// Time limit; on an idle machine the API server is ready within 3 s.
const READY: Duration = Duration::from_mins(2);
/// Ports of the controllers inside the namespace.
const MANAGER_PORT: u16 = 10257;
const SCHEDULER_PORT: u16 = 10259;
/// Number of processes that start before the API server is ready. The others need its RBAC objects and would exit.
const FIRST: usize = 3;

impl Cluster {
    /// Brings a cluster up, or completes an existing one. Returns when all parts are ready.
    pub async fn up(config: &ClusterConfig, progress: &Progress) -> Result<Self, Error> {
        run(config, progress).await
    }
}

async fn run(config: &ClusterConfig, progress: &Progress) -> Result<Cluster, Error> {
    let paths = config.paths()?;
    toolchain::ensure_machine(progress).await?;
    let toolchain = Toolchain::ensure(Family::ALL, progress).await?;
    let _lock = Lock::take(&paths).await?;
    let images = addons::images(&toolchain, progress).await?;
    let mut state = State::load_or_create(&paths)?;
    state.nodes.extend(
        (1..=config.nodes).filter(|number| !state.nodes.contains(number)).collect::<Vec<_>>(),
    );
    reach::merge(&mut state.reach, &config.reach);
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
    let forwarder = Forwarder::ensure(&cluster, &processes, config.forwarder.as_deref())?;
    forwarder.inwards().await?;
    forwarder.outwards().await?;
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

/// The program that relays connections into the namespace and out of it. It is a copy, because the original may be
/// rebuilt.
struct Forwarder<'a> {
    cluster: &'a Cluster,
    processes: &'a Processes,
    program: PathBuf,
}

impl<'a> Forwarder<'a> {
    fn ensure(
        cluster: &'a Cluster,
        processes: &'a Processes,
        program: Option<&Path>,
    ) -> Result<Self, Error> {
        let copy = cluster.paths.dir().join("bin").join("forward");
        let relays = cluster.state.reach.is_empty() || processes.is_alive("relay");
        if !(processes.is_alive("forward") && relays && copy.is_file()) {
            let current = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
            let program = program.unwrap_or(&current);
            files::make_dir(&cluster.paths.dir().join("bin"))?;
            let partial = copy.with_extension("partial");
            std::fs::copy(program, &partial).map_err(Error::io(program))?;
            std::fs::rename(&partial, &copy).map_err(Error::io(&copy))?;
        }
        Ok(Self { cluster, processes, program: copy })
    }

    /// Starts the relay on this machine's loopback interface: API server and ingress.
    async fn inwards(&self) -> Result<(), Error> {
        let state = &self.cluster.state;
        let ports = [state.api_port, state.ingress_port];
        let arguments =
            ports.iter().flat_map(|port| ["--port".into(), port.to_string().into()]).collect();
        self.start("forward", arguments).await
    }

    /// Starts the relay inside the namespace, for the outside hosts.
    async fn outwards(&self) -> Result<(), Error> {
        let hosts = &self.cluster.state.reach;
        if hosts.is_empty() {
            return Ok(());
        }
        let addresses = reach::addresses(hosts).into_iter().map(|(_, address)| address);
        netns::relay_addresses(&self.cluster.paths, addresses).await?;
        let routes = reach::routes(hosts);
        let arguments =
            routes.into_iter().flat_map(|route| ["--route".into(), route.into()]).collect();
        self.start("relay", arguments).await
    }

    async fn start(&self, command: &str, more: Vec<OsString>) -> Result<(), Error> {
        let netns = self.cluster.paths.netns_path(1);
        let mut arguments: Vec<OsString> =
            vec!["cluster".into(), command.into(), "--netns".into(), netns.into()];
        arguments.extend(more);
        let (name, program) = (command.to_owned(), self.program.clone());
        let spec = Spec { name, program, arguments, environment: BTreeMap::new(), netns: None };
        self.processes.ensure(&spec).await.map(drop)
    }
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
