//! FirmwareBuild: one requested image. The API creates these objects, or an administrator; doc
//! comments of fields are the texts of `kubectl explain`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One requested firmware image: the request, and the progress and result of the build.
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
    doc = "One requested firmware image: the request, and the progress and result of the build.",
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
    /// The request. It cannot be changed.
    pub request: RequestSpec,
    /// SHA-256 of the canonical request, 64 hexadecimal digits. The operator computes it again and
    /// rejects the object if it differs.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub request_hash: String,
    /// Catalog data with which the API validated the request. Without it, the operator validates the
    /// request with the current catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<Validated>,
    /// Set it to true to cancel the build. Its log is kept.
    #[serde(default)]
    pub cancel: bool,
    /// Priority in the queue.
    #[serde(default)]
    pub priority: BuildPriority,
    /// How long the result is kept, if it differs from the default.
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
    /// Revision that the image must have, for example r29197-ab4c7d6af7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub version_code: Option<String>,
    /// Target with its subtarget, for example ath79/generic.
    #[schemars(
        length(min = 3, max = 65),
        regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
    )]
    pub target: String,
    /// Id of the profile, as `make info` prints it.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$"))]
    pub profile: String,
    /// Packages to add, or to remove if they begin with a minus, in the order in which the package
    /// manager gets them.
    #[serde(default)]
    #[schemars(
        length(max = 1000),
        inner(length(min = 1, max = 128), regex(pattern = "^-?[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))
    )]
    pub packages: Vec<String>,
    /// Packages to add, each with the version that it must have.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 1000,
        "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 128}
    ))]
    pub packages_versions: BTreeMap<String, String>,
    /// Order in which the package manager gets the packages of packagesVersions. Packages that it does
    /// not contain follow, sorted by name.
    #[serde(default)]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 128)))]
    pub packages_order: Vec<String>,
    /// Whether the packages are the complete list: default packages that are not in it are removed.
    #[serde(default)]
    pub diff_packages: bool,
    /// The only root file system to build. Without it, all of the profile are built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<FilesystemSpec>,
    /// Size of the root partition in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub rootfs_size_mb: Option<u32>,
    /// Digest of the private first-boot script. Its text is in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<DefaultsSpec>,
    /// Third-party repositories: their URLs by name.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 16,
        "additionalProperties" = {"type": "string", "minLength": 8, "maxLength": 512}
    ))]
    pub repositories: BTreeMap<String, String>,
    /// Whether third-party repositories are used in addition to those of the ImageBuilder (append) or
    /// instead of them (replace).
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
    /// Name of the Secret with the text, under the key `defaults`.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret_name: String,
}

/// Catalog data with which the API validated a request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// Revision of the distribution's catalog.
    #[schemars(range(min = 1))]
    pub catalog_revision: i64,
    /// Revision of the target in upstream's version control, for example r29197-ab4c7d6af7.
    #[schemars(length(min = 1, max = 64))]
    pub version_code: String,
    /// SHA-256 of the ImageBuilder's tarball.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub image_builder_sha256: String,
}

/// Priority in the queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum BuildPriority {
    Low,
    #[default]
    Normal,
    High,
}

/// How long a result is kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Seconds for which the files are kept after the end of the build. They are kept longer if the
    /// answer is fresh for longer.
    #[schemars(range(min = 60, max = 31_536_000))]
    pub keep_seconds: i64,
}

/// Progress and result of a build.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FirmwareBuildStatus {
    /// Generation of the spec to which this status belongs; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Summary of the conditions, for people. Programs should use the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BuildPhase>,
    /// Reason of the phase, one word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Explanation of the reason, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Stage of a running build, as the API reports it to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub stage: Option<String>,
    /// Number of the build in the order of creation: the object's resourceVersion when the operator
    /// first read it.
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
    /// Memory of the next attempt, after an attempt that ran out of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub memory: Option<String>,
    /// Catalog data and cache with which the build runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// Times of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<BuildTimes>,
    /// Result of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<BuildSummary>,
    /// The conditions Accepted, CacheReady, Admitted, Succeeded and Archived, and for tools Ready,
    /// Reconciling and Stalled.
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
    /// Whether the build has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Conditions of a FirmwareBuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum BuildCondition {
    /// The request is valid and its hash is correct.
    Accepted,
    /// The cache of the ImageBuilder is ready.
    CacheReady,
    /// The build has a place: its Job may run.
    Admitted,
    /// The image was built. False if the build failed.
    Succeeded,
    /// The record of the build is in the database.
    Archived,
    /// The build succeeded and is archived. By the convention of kstatus, for tools.
    Ready,
    /// The build has not ended. By the convention of kstatus, for tools.
    Reconciling,
    /// The build failed. By the convention of kstatus, for tools.
    Stalled,
}

impl BuildCondition {
    /// The type of the condition, as it is in the status.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Catalog data and cache with which a build runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Revision of the distribution's catalog.
    pub catalog_revision: i64,
    /// Revision of the target in upstream's version control, for example r29197-ab4c7d6af7.
    #[schemars(length(max = 64))]
    pub version_code: String,
    /// SHA-256 of the ImageBuilder's tarball.
    #[schemars(length(max = 64))]
    pub image_builder_sha256: String,
    /// Name of the ImageBuilderCache of the build.
    #[schemars(length(max = 253))]
    pub cache_name: String,
    /// Id of the profile.
    #[schemars(length(max = 128))]
    pub profile: String,
}

/// Times of a build.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BuildTimes {
    /// When the build was put into the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Time>,
    /// When the build left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted_at: Option<Time>,
    /// When the pod of the build started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the build ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// When the record of the build was written to the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Time>,
}

/// Result of a build.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BuildSummary {
    /// Build key: name of the folder with the files in the artifact store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub build_key: Option<String>,
    /// Number of files.
    pub files: u32,
    /// Total size of the files, in bytes.
    pub bytes: i64,
    /// Whether the artifact store contains the log.
    pub log: bool,
}
