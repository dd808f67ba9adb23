//! The request that answers repeat.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{names::PackageSpec, request::Request};
use serde::Serialize;
use utoipa::ToSchema;

/// Placeholder for a first-boot script. Clients only check whether there is one.
pub const PLACEHOLDER: &str = "<not shown>";

/// The request in its canonical form.
#[derive(Serialize, ToSchema)]
pub struct RequestInAnswer<'a> {
    /// Name of the Distribution.
    distro: &'a str,
    /// For example 24.10.7.
    version: &'a str,
    /// Revision that was insisted on; empty for any.
    version_code: &'a str,
    /// target/subtarget.
    target: &'a str,
    /// Profile id.
    profile: &'a str,
    /// Packages to add, or to remove when they begin with a minus.
    #[schema(value_type = Vec<String>)]
    packages: Vec<&'a PackageSpec>,
    /// Packages with the version that was insisted on.
    #[schema(value_type = BTreeMap<String, String>)]
    packages_versions: &'a BTreeMap<PackageSpec, String>,
    /// Whether the list is the absolute set.
    diff_packages: bool,
    /// A placeholder when there is a first-boot script, else null.
    defaults: Option<&'static str>,
    /// Size of the root partition in MiB.
    rootfs_size_mb: Option<u32>,
    /// The one root file system.
    filesystem: Option<&'static str>,
    /// Third-party repositories, name to URL.
    repositories: &'a BTreeMap<String, String>,
    /// `append` or `replace`.
    repositories_mode: &'static str,
    /// Public keys of third-party repositories.
    repository_keys: &'a BTreeSet<String>,
    /// Always null: equal requests of several clients have one build.
    client: Option<String>,
}

impl<'a> From<&'a Request> for RequestInAnswer<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            distro: &request.distribution,
            version: &request.version,
            version_code: request.version_code.as_deref().unwrap_or_default(),
            target: request.target.as_str(),
            profile: request.profile.as_str(),
            packages: request.requested_packages(),
            packages_versions: &request.packages_versions,
            diff_packages: request.diff_packages,
            defaults: request.defaults.as_ref().map(|_| PLACEHOLDER),
            rootfs_size_mb: request.rootfs_size_mb,
            filesystem: request.filesystem.map(asu_core::request::Filesystem::as_str),
            repositories: &request.repositories,
            repositories_mode: request.repositories_mode.as_str(),
            repository_keys: &request.repository_keys,
            client: None,
        }
    }
}
