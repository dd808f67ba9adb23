//! FirmwareBuild: one requested image.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One requested image: what is built, and how far it is.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "asu.dev",
    version = "v1alpha1",
    kind = "FirmwareBuild",
    plural = "firmwarebuilds",
    shortname = "fwb",
    category = "asu",
    namespaced,
    status = "FirmwareBuildStatus",
    derive = "PartialEq",
    cel,
    doc = "One requested firmware image: what is built, and how far it is.",
    selectable = ".spec.requestHash",
    selectable = ".spec.request.version",
    selectable = ".spec.request.target",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.request.version"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.request.target"),
    printcolumn(name = "Profile", type_ = "string", json_path = ".spec.request.profile"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.stage"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(
        name = "Cache",
        type_ = "string",
        json_path = ".status.resolved.cacheName",
        priority = 1
    ),
    printcolumn(name = "Job", type_ = "string", json_path = ".status.jobName", priority = 1),
    printcolumn(
        name = "Finished",
        type_ = "date",
        json_path = ".status.times.finishedAt",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.request == oldSelf.request && self.requestHash == oldSelf.requestHash && has(self.validated) == has(oldSelf.validated) && (!has(self.validated) || self.validated == oldSelf.validated)")
        .message("request, requestHash and validated are a record and cannot be changed; create another FirmwareBuild"),
    validation = Rule::new("!oldSelf.cancel || self.cancel")
        .message("a cancelled build stays cancelled; delete it and ask again")
)]
pub struct FirmwareBuildSpec {
    /// What is built. A record: it cannot be changed.
    pub request: RequestSpec,
    /// SHA-256 of the canonical request, 64 hexadecimal digits. The operator computes it again and
    /// refuses the object when it differs.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub request_hash: String,
    /// What the request was validated with. The operator looks it up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<Validated>,
    /// Set to true to end the build; its log is kept.
    #[serde(default)]
    pub cancel: bool,
    /// Place in the queue.
    #[serde(default)]
    pub priority: BuildPriority,
    /// How long the outcome is kept, where it differs from the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// A request in canonical form: aliases resolved, lists without duplicates.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("size(self.packagesVersions) == 0 || size(self.packages) == 0")
        .message("packages and packagesVersions exclude each other"),
    validation = Rule::new("self.packagesOrder.all(name, name in self.packagesVersions)")
        .message("packagesOrder names packages of packagesVersions only"),
    // A schema bounds the values of a map, and not its keys.
    validation = Rule::new("self.packagesVersions.all(name, size(name) <= 128)")
        .message("a package name has at most 128 characters"),
    validation = Rule::new("self.repositories.all(name, size(name) <= 64)")
        .message("a repository name has at most 64 characters")
)]
pub struct RequestSpec {
    /// Name of the Distribution.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub distribution: String,
    /// Version, for example 24.10.7.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: String,
    /// Revision that the build must have, for example r29197-ab4c7d6af7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub version_code: Option<String>,
    /// target/subtarget, for example ath79/generic.
    #[schemars(
        length(min = 3, max = 65),
        regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
    )]
    pub target: String,
    /// Canonical profile id.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$"))]
    pub profile: String,
    /// Packages to add, or to remove when they begin with a minus, in the order in which the package
    /// manager gets them.
    #[serde(default)]
    #[schemars(
        length(max = 1000),
        inner(length(min = 1, max = 128), regex(pattern = "^-?[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))
    )]
    pub packages: Vec<String>,
    /// Packages with the version each must have.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 1000,
        "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 128}
    ))]
    pub packages_versions: BTreeMap<String, String>,
    /// Order in which the package manager gets the names of packagesVersions, which has none of its
    /// own. Those that it does not name follow, sorted.
    #[serde(default)]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 128)))]
    pub packages_order: Vec<String>,
    /// Whether the list is the absolute set: defaults that are not in it are removed.
    #[serde(default)]
    pub diff_packages: bool,
    /// The one root file system to build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<FilesystemSpec>,
    /// Size of the root partition in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub rootfs_size_mb: Option<u32>,
    /// Private first-boot script, by digest; its text is in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<DefaultsSpec>,
    /// Third-party repositories, name to URL.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 16,
        "additionalProperties" = {"type": "string", "minLength": 8, "maxLength": 512}
    ))]
    pub repositories: BTreeMap<String, String>,
    /// Whether they come in addition to the ImageBuilder's repositories or instead of them.
    #[serde(default)]
    pub repositories_mode: RepositoriesModeSpec,
    /// Public keys of third-party repositories.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 2048)))]
    pub repository_keys: Vec<String>,
}

/// Root file system.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are OpenWrt's own, and docs would split the enum")]
pub enum FilesystemSpec {
    Squashfs,
    Ext4,
    Ubifs,
    Erofs,
    Jffs2,
    Jffs2Nand,
    Targz,
    Cpiogz,
}

/// Relation of third-party repositories to the ImageBuilder's own.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum RepositoriesModeSpec {
    Append,
    #[default]
    Replace,
}

/// A private first-boot script, without its text.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DefaultsSpec {
    /// SHA-256 of the script.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Length in bytes.
    #[schemars(range(min = 1, max = 131_072))]
    pub length: u32,
    /// Secret that holds the text under the key `defaults`.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret_name: String,
}

/// What a request was validated with, frozen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// Revision of the distribution's catalog.
    #[schemars(range(min = 1))]
    pub catalog_revision: i64,
    /// Revision of the target.
    #[schemars(length(min = 1, max = 64))]
    pub version_code: String,
    /// Digest of the ImageBuilder's tarball.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub image_builder_sha256: String,
}

/// Place in the queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum BuildPriority {
    Low,
    #[default]
    Normal,
    High,
}

/// How long an outcome is kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Seconds for which the files are kept after the build ended, never less than the outcome is
    /// fresh.
    #[schemars(range(min = 60, max = 31_536_000))]
    pub keep_seconds: i64,
}

/// How far a build is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FirmwareBuildStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// For people and columns; derived from the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BuildPhase>,
    /// Why it is in that phase, from a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// One sentence on the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Stage of a running build, in the clients' words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub stage: Option<String>,
    /// Number in the order of creation: the object's version when the operator first saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sequence: Option<i64>,
    /// Number of the current attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub attempt: Option<u32>,
    /// Name of the Job of the current attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub job_name: Option<String>,
    /// Memory of the next attempt, after one that ran out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub memory: Option<String>,
    /// What the request was resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// When things happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<BuildTimes>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<BuildSummary>,
    /// Accepted, CacheReady, Admitted, Succeeded, Archived; Ready, Reconciling, Stalled.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Phase of a build.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum BuildPhase {
    #[default]
    Pending,
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl BuildPhase {
    /// Whether the build ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Conditions of a FirmwareBuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum BuildCondition {
    /// The spec agrees with itself and with the catalog.
    Accepted,
    /// The ImageBuilder's tree is ready.
    CacheReady,
    /// The build left the queue.
    Admitted,
    /// The image was built; False when the build failed.
    Succeeded,
    /// Its record is in the database.
    Archived,
    /// For tools: succeeded and archived.
    Ready,
    /// For tools: still on its way.
    Reconciling,
    /// For tools: failed.
    Stalled,
}

impl BuildCondition {
    /// Type of the condition.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a request was resolved to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Revision of the distribution's catalog.
    pub catalog_revision: i64,
    /// Revision of the target.
    #[schemars(length(max = 64))]
    pub version_code: String,
    /// Digest of the ImageBuilder's tarball.
    #[schemars(length(max = 64))]
    pub image_builder_sha256: String,
    /// Name of the ImageBuilderCache.
    #[schemars(length(max = 253))]
    pub cache_name: String,
    /// Canonical profile.
    #[schemars(length(max = 128))]
    pub profile: String,
}

/// When things happened.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BuildTimes {
    /// Put into the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Time>,
    /// Left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted_at: Option<Time>,
    /// The pod began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// The build ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The record was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Time>,
}

/// What came out of a build.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BuildSummary {
    /// Key of the files in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub build_key: Option<String>,
    /// Number of files.
    pub files: u32,
    /// Bytes of all files.
    pub bytes: i64,
    /// Whether a log is kept.
    pub log: bool,
}
