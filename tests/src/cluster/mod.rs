//! A real Kubernetes cluster on this machine, without a container registry and without Docker.
//!
//! [`Cluster`] is a complete cluster in its own network namespaces: control plane, nodes with containerd, DNS, an
//! ingress and volumes. [`ControlPlane`] has only etcd and the API server, for tests of controllers. Everything that a
//! cluster owns is found by its name and its folder, so [`Cluster::down`] removes it from any state.

mod addons;
mod buildah;
mod certs;
mod cgroups;
mod control_plane;
mod error;
mod files;
pub mod forward;
pub mod image;
mod kubeconfig;
mod leftovers;
mod local;
mod mounts;
mod netns;
mod node;
mod nodes;
mod owned;
mod paths;
mod process;
mod reach;
pub mod self_test;
mod servers;
mod state;
mod status;
mod teardown;
mod template;
mod up;
mod wait;

pub use control_plane::{ControlPlane, ControlPlaneOptions};
pub use error::Error;
pub use leftovers::Snapshot;
pub use local::{Cluster, ClusterConfig};
pub use reach::{BadReach, Reach};
pub use status::Status;

use wait::Look;

/// Checks the API server's `/readyz` once.
async fn readyz(client: &kube::Client) -> Result<Look<()>, Error> {
    let request = http::Request::get("/readyz").body(Vec::new());
    let Ok(request) = request else {
        return Ok(Look::Missing("no request".to_owned()));
    };
    Ok(match client.request_text(request).await {
        Ok(_) => Look::Done(()),
        Err(error) => Look::Missing(error.to_string()),
    })
}
