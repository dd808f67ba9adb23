//! Writes kubeconfig files for the components and the admin, and reads them for kube-rs.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::certs::{Pki, Subject};
use super::{Error, files};

/// Writes a kubeconfig for a user, and creates the user's certificate if it is missing. The file contains paths of
/// certificates, so it contains no secret itself.
pub(super) fn write(
    pki: &Pki,
    path: &Path,
    name: &str,
    subject: &Subject<'_>,
    server: &str,
) -> Result<(), Error> {
    pki.client(name, subject)?;
    // JSON is YAML; kubectl, the servers and kube-rs all read it.
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "asu",
        "clusters": [{ "name": "asu", "cluster": { "server": server, "certificate-authority": pki.crt("ca") } }],
        "contexts": [{ "name": "asu", "context": { "cluster": "asu", "user": name } }],
        "users": [{ "name": name, "user": { "client-certificate": pki.crt(name), "client-key": pki.key(name) } }],
    });
    files::write(path, format!("{config:#}\n"))
}

/// Writes the admin's certificate and kubeconfig.
pub(super) fn write_admin(pki: &Pki, path: &Path, server: &str) -> Result<(), Error> {
    write(pki, path, "admin", &Subject { user: "asu-admin", group: Some("system:masters") }, server)
}

/// Reads a kubeconfig file for kube-rs.
pub(super) async fn load(path: PathBuf) -> Result<kube::Config, Error> {
    let kubeconfig = kube::config::Kubeconfig::read_from(path)?;
    Ok(kube::Config::from_custom_kubeconfig(
        kubeconfig,
        &kube::config::KubeConfigOptions::default(),
    )
    .await?)
}
