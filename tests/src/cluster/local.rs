//! [`Cluster`]: the interface of a local cluster for tests, the demo and `cargo xtask cluster`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::paths::Paths;
use super::reach::Reach;
use super::servers::Plane;
use super::state::State;
use super::{Error, certs, kubeconfig, teardown};
use crate::exec;
use crate::progress::Progress;
use crate::toolchain::{Family, Toolchain};

/// etcd's ports inside the network namespace, where they are always free.
const ETCD_PORTS: [u16; 2] = [2379, 2380];

/// Settings of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Name: at most 20 lower-case letters, digits and `-`.
    pub name: String,
    /// Parent of the cluster's folder; `None` for `$ASU_STATE_DIR` or `/var/lib/asu`.
    pub state_dir: Option<PathBuf>,
    /// Minimum number of nodes, at least one. An existing cluster with more nodes keeps them.
    pub nodes: u8,
    /// Outside hosts that its pods may reach, in addition to those that it already has.
    pub reach: Vec<Reach>,
    /// Program that runs [`super::forward::inwards`] when called as `PROGRAM cluster forward --netns PATH --port PORT…`,
    /// and [`super::forward::outwards`] when called as `PROGRAM cluster relay --netns PATH --route ROUTE…`.
    /// `None` for the calling program itself, which suits `xtask`.
    pub forwarder: Option<PathBuf>,
}

impl ClusterConfig {
    /// A cluster with one node, at the default location.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), state_dir: None, nodes: 1, reach: Vec::new(), forwarder: None }
    }

    pub(super) fn paths(&self) -> Result<Paths, Error> {
        match &self.state_dir {
            Some(base) => Paths::below(&self.name, base),
            None => Paths::new(&self.name),
        }
    }
}

/// A running local cluster. It keeps running when the value is dropped.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(super) paths: Paths,
    pub(super) state: State,
    pub(super) toolchain: Toolchain,
}

impl Cluster {
    /// An existing cluster at the default location.
    pub async fn attach(name: &str) -> Result<Self, Error> {
        Self::attach_at(Paths::new(name)?).await
    }

    pub(super) async fn attach_at(paths: Paths) -> Result<Self, Error> {
        let state = State::load(&paths)?.ok_or_else(|| Error::Unknown(paths.name().to_owned()))?;
        let toolchain = Toolchain::ensure(Family::ALL, &Progress::new()).await?;
        Ok(Self { paths, state, toolchain })
    }

    /// Removes a cluster, also an incomplete one. Returns whether anything existed.
    pub async fn down(name: &str, progress: &Progress) -> Result<bool, Error> {
        teardown::run(&Paths::new(name)?, progress).await
    }

    /// Names of all clusters at the default location, also of incomplete ones.
    pub fn names() -> Vec<String> {
        let entries = std::fs::read_dir(super::paths::base()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| Paths::new(name).is_ok())
            .collect();
        names.sort();
        names
    }

    /// Like [`Cluster::down`], for a cluster at another location.
    pub async fn down_at(config: &ClusterConfig, progress: &Progress) -> Result<bool, Error> {
        teardown::run(&config.paths()?, progress).await
    }

    /// Environment variables for programs that use a cluster: `KUBECONFIG`, `ASU_URL`, `PATH`.
    pub async fn env(name: &str) -> Result<Vec<(String, String)>, Error> {
        Ok(Self::attach(name).await?.variables())
    }

    /// See [`Cluster::env`].
    pub fn variables(&self) -> Vec<(String, String)> {
        let old = std::env::var("PATH").unwrap_or_default();
        // Only families with commands for people; their folders also contain kubelet, which does no harm.
        let wanted = [Family::Kubernetes, Family::Helm, Family::Kubeconform];
        let folders = wanted.iter().filter_map(|family| self.toolchain.folder(*family));
        let mut path: Vec<String> =
            folders.map(|folder| folder.to_string_lossy().into_owned()).collect();
        path.extend(
            old.split(':')
                .filter(|part| !path.iter().any(|own| own == part))
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
        vec![
            ("KUBECONFIG".to_owned(), self.kubeconfig_path().to_string_lossy().into_owned()),
            ("ASU_URL".to_owned(), self.ingress_url()),
            ("PATH".to_owned(), path.join(":")),
        ]
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        self.paths.name()
    }

    /// Base URL of the ingress, valid on this machine and inside the namespace, without a trailing `/`.
    pub fn ingress_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.state.ingress_port)
    }

    /// URL of the API server, valid on this machine and inside the namespace.
    pub fn api_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.state.api_port)
    }

    /// Path of the admin's kubeconfig, valid on this machine and inside the namespace.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.paths.kubeconfig()
    }

    /// A client of the admin.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        Ok(kube::Client::try_from(kubeconfig::load(self.kubeconfig_path()).await?)?)
    }

    /// Runs kubectl and returns its standard output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.tool("kubectl", arguments).await
    }

    /// Runs helm and returns its standard output.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String, Error> {
        self.tool("helm", arguments).await
    }

    /// Path of a program of the toolchain, for example `kubectl`.
    pub fn program(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.toolchain.program(name)?)
    }

    async fn tool(&self, name: &str, arguments: &[&str]) -> Result<String, Error> {
        let mut command = tokio::process::Command::new(self.program(name)?);
        command.args(arguments).env("KUBECONFIG", self.kubeconfig_path());
        Ok(exec::run(command).await?)
    }

    /// Path of the network namespace of the control plane and the first node.
    pub fn netns(&self) -> PathBuf {
        self.paths.netns_path(1)
    }

    /// Ids of the processes in all pods.
    pub fn processes_of_pods(&self) -> Vec<i32> {
        let cgroups = self.state.nodes.iter().map(|number| self.paths.cgroup(*number));
        cgroups.flat_map(|cgroup| super::cgroups::processes(&cgroup)).collect()
    }

    /// A command that runs a program inside that namespace, with the cluster's kubeconfig.
    pub fn nsenter_command(&self, program: impl Into<OsString>) -> tokio::process::Command {
        let mut net = OsString::from("--net=");
        net.push(self.netns());
        let mut command = tokio::process::Command::new("nsenter");
        command.arg(net).arg("--").arg(program.into()).env("KUBECONFIG", self.kubeconfig_path());
        command
    }

    pub(super) fn plane(&self) -> Result<Plane, Error> {
        let [etcd_port, etcd_peer_port] = ETCD_PORTS;
        Ok(Plane {
            pki: certs::Pki::ensure(self.paths.pki())?,
            dir: self.paths.plane(),
            address: super::netns::address(1),
            api_port: self.state.api_port,
            etcd_port,
            etcd_peer_port,
            service_account_admission: true,
        })
    }
}
