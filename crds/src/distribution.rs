//! Distribution: what is offered, as Git describes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image_builder_cache::CacheWorkspace;

/// A distribution based on OpenWrt: where it comes from, which versions are offered, what a
/// request may ask for.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "asu.dev",
    version = "v1alpha1",
    kind = "Distribution",
    plural = "distributions",
    shortname = "dist",
    category = "asu",
    namespaced,
    status = "DistributionStatus",
    derive = "PartialEq",
    cel,
    doc = "A distribution based on OpenWrt: where it comes from, which versions are offered, what a request may ask for.",
    printcolumn(name = "Versions", type_ = "integer", json_path = ".status.counts.versions"),
    printcolumn(name = "Targets", type_ = "integer", json_path = ".status.counts.targets"),
    printcolumn(name = "Profiles", type_ = "integer", json_path = ".status.counts.profiles"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.catalogRevision"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Updated", type_ = "date", json_path = ".status.lastSuccessfulUpdate"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    printcolumn(
        name = "Upstream",
        type_ = "string",
        json_path = ".spec.upstream.publicURL",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DistributionSpec {
    /// Name for people.
    #[schemars(length(min = 1, max = 64))]
    pub title: String,
    /// Where it comes from.
    pub upstream: Upstream,
    /// Branches, newest first.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub branches: Vec<Branch>,
    /// Targets that are offered; all when empty.
    #[serde(default)]
    #[schemars(
        length(max = 256),
        inner(
            length(min = 3, max = 65),
            regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
        )
    )]
    pub targets: Vec<String>,
    /// Packages that were renamed or dropped; published to clients and applied to requests.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub package_changes: Vec<PackageChange>,
    /// What a request may ask for.
    #[serde(default)]
    pub limits: Limits,
    /// ImageBuilders that are fetched ahead of any request and never evicted.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub pinned_caches: Vec<PinnedCache>,
}

impl DistributionSpec {
    /// The branch that lists a version.
    pub fn branch_of(&self, version: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.versions.iter().any(|name| name == version))
    }
}

/// Where a distribution comes from. Three different things, which may be the same URL.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Mirrors from which indexes and ImageBuilders are read, tried in order.
    #[serde(rename = "fetchURLs")]
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))
    )]
    pub fetch_urls: Vec<String>,
    /// Mirror or proxy from which packages are read inside builds; the first of `fetchURLs` when
    /// absent.
    #[serde(rename = "packageBaseURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub package_base_url: Option<String>,
    /// URL that is published to routers, which fetch from it, and that ImageBuilders name.
    #[serde(rename = "publicURL")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub public_url: String,
}

/// A branch: versions that share a path and keys.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.signatures != 'Required' || size(self.keys) > 0")
        .message("list the usign public keys that sign sha256sums, or set signatures to NotChecked"),
    validation = Rule::new("size(self.versions) < 2 || self.path.contains('{version}')")
        .message("the path of a branch with several versions must contain {version}")
)]
pub struct Branch {
    /// For example 24.10.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// Folder below a mirror, with the placeholder {version}.
    #[serde(default = "default_path")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_./{}-]*$"))]
    pub path: String,
    /// Versions that are offered, newest first.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))
    )]
    pub versions: Vec<String>,
    /// Whether its versions are rebuilt under the same name.
    #[serde(default)]
    pub snapshot: bool,
    /// Number of the revision at which it left the development branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_off_rev: Option<u32>,
    /// usign public keys (the base64 line, or the file with its comment) of which one must have
    /// signed sha256sums.
    #[serde(default)]
    #[schemars(length(max = 8), inner(length(min = 40, max = 256)))]
    pub keys: Vec<String>,
    /// Whether sha256sums must be signed.
    #[serde(default)]
    pub signatures: Signatures,
}

fn default_path() -> String {
    "releases/{version}".to_owned()
}

/// Whether sha256sums must be signed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum Signatures {
    #[default]
    Required,
    NotChecked,
}

/// A package that was renamed, or dropped when it has no target.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PackageChange {
    /// The old name.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub source: String,
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub target: Option<String>,
    /// Number of the revision from which it holds.
    pub revision: u32,
    /// Whether clients must follow even when they keep their packages.
    #[serde(default)]
    pub mandatory: bool,
}

/// What a request may ask for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Whether first-boot scripts are accepted.
    pub allow_defaults: bool,
    /// Longest first-boot script, in bytes.
    #[schemars(range(min = 1, max = 131_072))]
    pub max_defaults_length: u32,
    /// Largest root partition, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub max_rootfs_size_mb: u32,
    /// Prefixes of third-party repositories that are allowed; none when empty.
    #[schemars(length(max = 64), inner(length(min = 8, max = 512)))]
    pub repository_allow_list: Vec<String>,
    /// Longest build, in seconds.
    #[schemars(range(min = 10, max = 7200))]
    pub build_seconds: u32,
    /// Largest ImageBuilder tarball, in MiB.
    #[schemars(range(min = 1, max = 8192))]
    pub max_image_builder_mb: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allow_defaults: false,
            max_defaults_length: 20_480,
            max_rootfs_size_mb: 1024,
            repository_allow_list: Vec::new(),
            build_seconds: 600,
            max_image_builder_mb: 1024,
        }
    }
}

/// An ImageBuilder that is fetched ahead of any request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PinnedCache {
    /// Version, for example 24.10.7.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: String,
    /// target/subtarget.
    #[schemars(
        length(min = 3, max = 65),
        regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
    )]
    pub target: String,
    /// How its builds get a tree that they may write to.
    #[serde(default)]
    pub workspace: CacheWorkspace,
}

/// State of a distribution.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DistributionStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Revision of the catalog that requests are validated with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_revision: Option<i64>,
    /// How much is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<CatalogCounts>,
    /// When upstream was last read whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_update: Option<Time>,
    /// Branches with something wrong.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub branches: Vec<BranchStatus>,
    /// Ready, Reconciling, Stalled.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// How much a distribution offers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogCounts {
    /// Versions.
    pub versions: u32,
    /// Targets of all versions.
    pub targets: u32,
    /// Profiles of all targets.
    pub profiles: u32,
}

/// What is wrong with a branch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchStatus {
    /// Its name.
    #[schemars(length(max = 64))]
    pub name: String,
    /// What is wrong, one sentence each.
    #[schemars(length(max = 32), inner(length(max = 512)))]
    pub problems: Vec<String>,
}
