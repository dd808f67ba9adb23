//! A request as answers repeat it, in the clients' words.

use asu_core::request::Request;
use serde_json::{Value, json};

/// What stands for a first-boot script: clients only test whether there is one.
pub const PLACEHOLDER: &str = "<not shown>";

pub(super) fn request(request: &Request) -> Value {
    json!({
        "distro": request.distribution,
        "version": request.version,
        "version_code": request.version_code.as_deref().unwrap_or_default(),
        "target": request.target,
        "profile": request.profile,
        "packages": request.requested_packages(),
        "packages_versions": request.packages_versions,
        "diff_packages": request.diff_packages,
        "defaults": request.defaults.as_ref().map(|_| PLACEHOLDER),
        "rootfs_size_mb": request.rootfs_size_mb,
        "filesystem": request.filesystem.map(asu_core::request::Filesystem::as_str),
        "repositories": request.repositories,
        "repositories_mode": request.repositories_mode.as_str(),
        "repository_keys": request.repository_keys,
        "client": null,
    })
}
