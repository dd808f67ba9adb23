//! Adds nodes to a running cluster, and stops and starts them, for tests of failing nodes.

use super::local::Cluster;
use super::node::{Node, containerd_socket, process_names};
use super::process::{self, Processes};
use super::servers::Plane;
use super::state::Lock;
use super::{Error, addons, cgroups, image, netns};
use crate::progress::Progress;

impl Cluster {
    /// Adds a node and waits until it is ready. Images that the cluster has are imported into it. Returns its number;
    /// its name is `node` and that number.
    pub async fn add_node(&mut self, progress: &Progress) -> Result<u8, Error> {
        let _lock = Lock::take(&self.paths).await?;
        let number = self.state.nodes.iter().max().copied().unwrap_or_default() + 1;
        self.state.nodes.push(number);
        self.state.save(&self.paths)?;
        let kubectl = self.toolchain.program("kubectl")?;
        // The settings of the volume provisioner contain the new node's folder of volumes.
        addons::apply(&self.paths, &self.state, &kubectl).await?;
        progress.step(&format!("node{number}"), self.run_node(number)).await?;
        Ok(number)
    }

    /// Simulates a power failure of a node: kills kubelet, containerd and all processes of its pods. Kubernetes
    /// detects it after its grace period (40 s).
    pub async fn stop_node(&self, number: u8) -> Result<(), Error> {
        let _lock = Lock::take(&self.paths).await?;
        let processes = Processes::new(self.paths.dir());
        for name in process_names(number).iter().rev() {
            processes.kill(name).await?;
        }
        let socket = containerd_socket(&self.paths, number);
        let shims = processes.marked_with_argument(socket.as_os_str());
        process::kill(&shims).await?;
        process::kill(&cgroups::processes(&self.paths.cgroup(number))).await
    }

    /// Starts a stopped node again and waits until it is ready.
    pub async fn start_node(&self, number: u8) -> Result<(), Error> {
        let _lock = Lock::take(&self.paths).await?;
        self.run_node(number).await
    }

    async fn run_node(&self, number: u8) -> Result<(), Error> {
        let plane = self.plane()?;
        let node = self.node(&plane, number);
        let processes = Processes::new(self.paths.dir());
        netns::ensure(&self.paths, number).await?;
        node.runtime(&processes).await?;
        for tag in image::loaded(&self.paths, 1)? {
            image::load_into(&node, &tag).await?;
        }
        node.agents(&processes).await?;
        node.ready(&processes, &self.client().await?).await
    }

    pub(super) fn node<'a>(&'a self, plane: &'a Plane, number: u8) -> Node<'a> {
        Node { paths: &self.paths, plane, toolchain: &self.toolchain, number }
    }
}
