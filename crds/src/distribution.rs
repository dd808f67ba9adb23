//! Distribution: what an installation offers. An administrator writes these objects; doc comments of
//! fields are the texts of `kubectl explain`.

use asu_core::version::{SNAPSHOT, snapshot_of};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    board_rename::BoardRename,
    channel_keys::{Channel, ChannelKeys},
    image_builder_image::ImageBuilderImage,
    limits::Limits,
    package_changes::PackageChange,
    package_edits::PackageEdit,
    parent::{Feed, Parent, ParentVersion},
    pinned_cache::PinnedCache,
    prewarm::Prewarm,
    version_title::VersionTitle,
};

/// A distribution based on OpenWrt: its download servers, the versions that are offered, and the
/// limits of requests.
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
    doc = "A distribution based on OpenWrt: its download servers, the versions that are offered, and the limits of requests.",
    printcolumn(name = "Versions", type_ = "integer", json_path = ".status.counts.versions"),
    printcolumn(name = "Latest", type_ = "string", json_path = ".status.latest[0]"),
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
    printcolumn(
        name = "Images",
        type_ = "string",
        json_path = ".spec.imageBuilderImages[*].reference",
        priority = 1
    ),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.upstream) != has(self.parent)")
        .message("give either upstream or parent"),
    validation = Rule::new("has(self.parent) || (size(self.feeds) == 0 && size(self.defaultPackages) == 0)")
        .message("feeds and defaultPackages need a parent"),
    validation = Rule::new("has(self.parent) || self.branches.all(b, size(b.parentVersions) == 0)")
        .message("parentVersions need a parent"),
    validation = Rule::new("has(self.parent) || self.branches.all(b, b.signatures != 'Required' || size(b.keys) > 0)")
        .message("list the usign public keys that sign sha256sums in each branch, or set signatures to NotChecked"),
    validation = Rule::new("!has(self.parent) || !has(self.imageBuilderImages)")
        .message("give imageBuilderImages to the parent, whose ImageBuilders are used"),
    validation = Rule::new("!has(self.parent) || size(self.pinnedCaches) == 0")
        .message("pin caches in the parent, whose caches are used")
)]
pub struct DistributionSpec {
    /// Whether the operator stops to read the download servers. What was read last stays offered.
    #[serde(default)]
    pub suspend: bool,
    /// Display name, for example OpenWrt.
    #[schemars(length(min = 1, max = 64))]
    pub title: String,
    /// One sentence about the distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub description: Option<String>,
    /// URLs of the download servers. A distribution with a parent uses those of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Distribution whose ImageBuilders, targets, profiles and feeds are used, instead of upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Package feeds in addition to those of the ImageBuilders. Only with a parent.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub feeds: Vec<Feed>,
    /// Packages that are added to the default packages of every device, or removed from them with a
    /// leading minus. Only with a parent.
    #[serde(default)]
    #[schemars(
        length(max = 128),
        inner(length(min = 1, max = 129), regex(pattern = "^-?[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))
    )]
    pub default_packages: Vec<String>,
    /// Branches, newest first.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub branches: Vec<Branch>,
    /// Targets that are offered, for example ath79/generic. If empty, all targets are offered.
    #[serde(default)]
    #[schemars(
        length(max = 256),
        inner(
            length(min = 3, max = 65),
            regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
        )
    )]
    pub targets: Vec<String>,
    /// Targets that are not offered: ath79/tiny, or ath79/* for all of a board.
    #[serde(default)]
    #[schemars(
        length(max = 256),
        inner(
            length(min = 3, max = 65),
            regex(pattern = r"^[A-Za-z0-9_-]{1,32}/([A-Za-z0-9_-]{1,32}|\*)$")
        )
    )]
    pub excluded_targets: Vec<String>,
    /// Names that devices report and that no profile has, with the profile that is meant.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub board_renames: Vec<BoardRename>,
    /// Packages that were renamed or dropped. The list is published to clients and applied to requests.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub package_changes: Vec<PackageChange>,
    /// Rules that edit the packages of requests when they are built, in the order in which they are applied.
    /// Clients do not see them, and the request hash does not depend on them.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub package_edits: Vec<PackageEdit>,
    /// Limits of requests and builds.
    #[serde(default)]
    pub limits: Limits,
    /// OCI images from which ImageBuilders are taken instead of the tarballs of the download servers. The
    /// first one that fits a version is used. Not with a parent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_builder_images: Vec<ImageBuilderImage>,
    /// ImageBuilders that are downloaded before any request and never evicted.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub pinned_caches: Vec<PinnedCache>,
    /// ImageBuilders that are downloaded when a version is new, and deleted like all others when they
    /// are not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prewarm: Option<Prewarm>,
}

impl DistributionSpec {
    /// Returns the branch of a version: the one that lists it, else the one whose rules select it.
    pub fn branch_of(&self, version: &str) -> Option<&Branch> {
        self.branch_finder()(version)
    }

    /// The same for many versions: the rules of the branches are parsed once.
    pub fn branch_finder<'a>(&'a self) -> impl Fn(&str) -> Option<&'a Branch> {
        let rules: Vec<_> = self.branches.iter().map(|branch| (branch, branch.rules())).collect();
        move |version| {
            let lists = |branch: &&Branch| branch.versions.iter().any(|name| name == version);
            self.branches.iter().find(lists).or_else(|| {
                let mut rules = rules.iter();
                let selects = rules.find(|(branch, rules)| rules.select(&branch.name, version));
                selects.map(|(branch, _)| *branch)
            })
        }
    }
}

/// URLs of the download servers. All of them may be the same.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Mirrors from which indexes and ImageBuilders are downloaded, tried in order.
    #[serde(rename = "fetchURLs")]
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))
    )]
    pub fetch_urls: Vec<String>,
    /// Mirror or proxy from which builds download packages. Without it, the first of fetchURLs is
    /// used.
    #[serde(rename = "packageBaseURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub package_base_url: Option<String>,
    /// URL of the download server that is published to routers and that ImageBuilders contain.
    #[serde(rename = "publicURL")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub public_url: String,
}

/// A branch: versions that share a path, keys and package changes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(size(self.versions) < 2 && !has(self.discover)) || self.path.contains('{version}')")
        .message("the path of a branch with several versions must contain {version}"),
    validation = Rule::new("size(self.versions) > 0 || has(self.discover)")
        .message("list versions, or say with discover which ones of the download server are offered")
)]
pub struct Branch {
    /// Name of the branch, for example 24.10.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// Folder of a version on a mirror, with the placeholder {version}.
    #[serde(default = "default_path")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_./{}-]*$"))]
    pub path: String,
    /// Versions that are offered, newest first, for example 24.10.7. May be empty with discover.
    #[serde(default)]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))
    )]
    pub versions: Vec<String>,
    /// Names of versions in the parent, for versions that the parent calls otherwise.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["version".into()]))]
    pub parent_versions: Vec<ParentVersion>,
    /// Display names and descriptions of versions.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["version".into()]))]
    pub version_titles: Vec<VersionTitle>,
    /// Versions that are offered as soon as the download server has them, in addition to versions.
    /// Without it, only versions are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<Discover>,
    /// Version that is recommended to clients. Without it, the newest release is, or the newest release
    /// candidate while there is no release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub latest: Option<String>,
    /// Day, for example 2026-09-30, from which no version of the branch is recommended to clients.
    /// Requests for its versions are still accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub end_of_life: Option<String>,
    /// Whether upstream rebuilds the versions under the same name, as it does with SNAPSHOT.
    #[serde(default)]
    pub snapshot: bool,
    /// Number of the revision at which the branch left the development branch, for example 27990.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_off_rev: Option<u32>,
    /// usign public keys, each the base64 line or the file with its comment. One of them must have
    /// signed the file sha256sums.
    #[serde(default)]
    #[schemars(length(max = 8), inner(length(min = 40, max = 256)))]
    pub keys: Vec<String>,
    /// Whether the file sha256sums must be signed.
    #[serde(default)]
    pub signatures: Signatures,
}

impl Branch {
    /// Whether upstream rebuilds a version of the branch under the same name.
    pub fn rebuilds(&self, version: &str) -> bool {
        self.snapshot || version == SNAPSHOT || snapshot_of(version).is_some()
    }
}

/// Rules that select versions from the list of the download server (.versions.json).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Discover {
    /// Kinds of versions: Release (24.10.7), Candidate (24.10.0-rc6, until its release is there),
    /// Snapshot (24.10-SNAPSHOT, the head of the branch).
    #[serde(default = "releases")]
    #[schemars(length(min = 1, max = 3))]
    pub channels: Vec<Channel>,
    /// Patterns of which a version must fit one, for example 24.10.*. Without patterns, any version of
    /// the branch fits.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.*-]+$"))
    )]
    pub allow: Vec<String>,
    /// Patterns of which a version must fit none.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.*-]+$"))
    )]
    pub deny: Vec<String>,
    /// Maximum number of releases and candidates. The newest are offered.
    #[serde(default = "default_newest")]
    #[schemars(range(min = 1, max = 64))]
    pub newest: u32,
    /// Keys of single channels. A version of such a channel must be signed by one of its keys, and not by
    /// those of the branch. So a key for snapshots cannot sign a release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["channel".into()]))]
    pub channel_keys: Vec<ChannelKeys>,
}

fn releases() -> Vec<Channel> {
    vec![Channel::Release]
}

fn default_newest() -> u32 {
    64
}

fn default_path() -> String {
    "releases/{version}".to_owned()
}

/// Whether the file sha256sums must be signed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum Signatures {
    #[default]
    Required,
    NotChecked,
}

/// State of a distribution.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DistributionStatus {
    /// Generation of the spec to which this status belongs; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Revision of the catalog with which requests are validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_revision: Option<i64>,
    /// Numbers of versions, targets and profiles that are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<CatalogCounts>,
    /// Recommended versions, newest first.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    pub latest: Vec<String>,
    /// When the download servers were last read without a problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_update: Option<Time>,
    /// Last value of the annotation asu.dev/refresh for which the download servers were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_refresh: Option<String>,
    /// Branches with problems.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub branches: Vec<BranchStatus>,
    /// The conditions Ready, Reconciling and Stalled.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Numbers of versions, targets and profiles that a distribution offers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogCounts {
    /// Number of versions.
    pub versions: u32,
    /// Number of targets, over all versions.
    pub targets: u32,
    /// Number of profiles, over all targets.
    pub profiles: u32,
}

/// Problems of a branch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchStatus {
    /// Name of the branch.
    #[schemars(length(max = 64))]
    pub name: String,
    /// The problems, one sentence each.
    #[schemars(length(max = 32), inner(length(max = 512)))]
    pub problems: Vec<String>,
}
