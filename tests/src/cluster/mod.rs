//! A real Kubernetes on this machine, without a container registry and without Docker.

mod certs;
mod control_plane;
mod error;
mod files;
mod kubeconfig;
mod net;
mod owned;
mod servers;
mod wait;

pub use control_plane::{ControlPlane, ControlPlaneOptions};
pub use error::Error;

use wait::Look;

/// One look at the API server's own opinion of itself.
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
