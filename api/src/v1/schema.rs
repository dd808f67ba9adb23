//! The body of a build request for the OpenAPI document. [`super::parse`] parses it by hand, so that no
//! error contains a value.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// What is asked for. Unknown fields are ignored; numbers and booleans may come as strings.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes what parse.rs reads by hand, so that no error repeats a value"
)]
pub struct BuildRequest {
    /// Name of the Distribution.
    #[schema(default = "openwrt")]
    distro: Option<String>,
    /// For example 24.10.7.
    version: String,
    /// Revision that the image must have; empty for any.
    version_code: Option<String>,
    /// target/subtarget.
    target: String,
    /// Profile id, alias or board name; commas mean underscores.
    profile: String,
    /// Packages to add, or to remove when they begin with a minus.
    packages: Option<Vec<String>>,
    /// Packages with the version each must have; wins over `packages`.
    packages_versions: Option<BTreeMap<String, String>>,
    /// Whether the list is the absolute set.
    diff_packages: Option<bool>,
    /// The one root file system to build.
    filesystem: Option<String>,
    /// Size of the root partition in MiB.
    rootfs_size_mb: Option<u32>,
    /// First-boot script. It is in no answer, and its image is reachable by its full hash only.
    defaults: Option<String>,
    /// Third-party repositories, name to URL.
    repositories: Option<BTreeMap<String, String>>,
    /// `append` or `replace`.
    repositories_mode: Option<String>,
    /// Public keys of third-party repositories.
    repository_keys: Option<Vec<String>>,
    /// Name and version of the client.
    client: Option<String>,
}
