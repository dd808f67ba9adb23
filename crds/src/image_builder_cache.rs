//! ImageBuilderCache: an unpacked ImageBuilder that builds share. The operator creates these objects;
//! doc comments of fields are the texts of `kubectl explain`.

use asu_core::digest::FieldHasher;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cache_progress::CacheProgress;

/// One ImageBuilder, verified, unpacked and warmed up on a volume, which builds mount read-only.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "asu.dev",
    version = "v1alpha1",
    kind = "ImageBuilderCache",
    plural = "imagebuildercaches",
    shortname = "ibc",
    category = "asu",
    namespaced,
    status = "ImageBuilderCacheStatus",
    derive = "PartialEq",
    cel,
    doc = "One ImageBuilder, verified, unpacked and warmed up on a volume, which builds mount read-only.",
    selectable = ".spec.distribution",
    selectable = ".spec.version",
    selectable = ".spec.target",
    printcolumn(name = "Distribution", type_ = "string", json_path = ".spec.distribution"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Users", type_ = "integer", json_path = ".status.users"),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress.text",
        priority = 1
    ),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision", priority = 1),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".status.bytes", priority = 1),
    printcolumn(
        name = "Claim",
        type_ = "string",
        json_path = ".status.place.claimName",
        priority = 1
    ),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Retry", type_ = "string", json_path = ".status.retryAt", priority = 1),
    printcolumn(name = "Last used", type_ = "date", json_path = ".status.lastUsed", priority = 1),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Pinned", type_ = "boolean", json_path = ".spec.pinned", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.distribution == oldSelf.distribution && self.version == oldSelf.version && self.target == oldSelf.target && self.sha256 == oldSelf.sha256")
        .message("distribution, version, target and sha256 name the cache and cannot be changed; create another one")
)]
pub struct ImageBuilderCacheSpec {
    /// Name of the Distribution.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub distribution: String,
    /// Version, for example 24.10.7.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: String,
    /// Target with its subtarget, for example ath79/generic.
    #[schemars(
        length(min = 3, max = 65),
        regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
    )]
    pub target: String,
    /// SHA-256 of the ImageBuilder's tarball.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// File name of the tarball, without a folder.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub file: String,
    /// Folder of the target on a mirror, for example releases/24.10.7/targets/ath79/generic.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_./-]*$"))]
    pub target_path: String,
    /// Revision of the ImageBuilder in the catalog. One from an OCI image must have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub revision: Option<String>,
    /// Whether the cache is kept when no build uses it.
    #[serde(default)]
    pub pinned: bool,
    /// Whether the operator leaves the cache as it is: its tree is not made, refreshed or deleted
    /// because of disuse. A tree that is ready stays in use.
    #[serde(default)]
    pub suspend: bool,
    /// How builds get a writable tree. LinkFarm makes links to the cache, with private copies of the
    /// files that an ImageBuilder is known to write. Copy copies the whole tree. A build that fails
    /// with links because it writes to other files uses a copy automatically.
    #[serde(default)]
    pub workspace: CacheWorkspace,
}

/// How a build gets a writable tree.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum CacheWorkspace {
    #[default]
    LinkFarm,
    Copy,
}

/// State of a cache.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ImageBuilderCacheStatus {
    /// Generation of the spec to which this status belongs; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase of the cache, for people. Programs should use the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<CachePhase>,
    /// Reason of the phase, one word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Explanation of the reason, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Location of the tree that builds use. Absent until the first tree is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<CachePlace>,
    /// uid of the PersistentVolumeClaim with the tree. A new claim with the same name does not contain
    /// the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub claim_uid: Option<String>,
    /// uid of a PersistentVolumeClaim that was full, so that a larger one takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub full_claim_uid: Option<String>,
    /// Size of the cache's next claim in bytes, if a former one was full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub claim_bytes: Option<i64>,
    /// Builder image with which the tree was warmed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub builder_image: Option<String>,
    /// OCI image from which the tree was copied; absent if it comes from a tarball.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 640))]
    pub image: Option<String>,
    /// Revision of the ImageBuilder, as the tree reports it, for example r29197-ab4c7d6af7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Size of the tree, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Number of builds that use the cache now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub users: Option<u32>,
    /// When a build with this cache last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,
    /// Progress of the populate pod. Absent if none is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<CacheProgress>,
    /// Value of the annotation asu.dev/refresh for which the present tree was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_refresh: Option<String>,
    /// Name of the populate Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub job_name: Option<String>,
    /// Number of consecutive failures of the populate Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failures: Option<u32>,
    /// Number of times that a ready tree was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub losses: Option<u32>,
    /// Time of the next attempt after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// The conditions Ready, Reconciling and Stalled.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Location of a tree.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CachePlace {
    /// Name of the PersistentVolumeClaim.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
    /// Folder on the volume that contains the tree and its marker.
    #[schemars(length(min = 1, max = 255))]
    pub sub_path: String,
}

/// Phase of a cache.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum CachePhase {
    #[default]
    Pending,
    Populating,
    Ready,
    Failed,
    Deleting,
}

/// Name of the cache of an ImageBuilder: readable, and unique through the digest of its identity.
pub fn cache_name(distribution: &str, version: &str, target: &str, sha256: &str) -> String {
    let mut hasher = FieldHasher::new("asu.dev/cache/v1");
    hasher.field(distribution).field(version).field(target).field(sha256);
    let readable: String = format!("{distribution}-{version}-{target}")
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(38)
        .collect();
    let digest: String = hasher.finish().to_string().chars().take(16).collect();
    format!("{}-{digest}", readable.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_names_fit_in_a_label_and_are_unique() {
        let a = cache_name("openwrt", "24.10.7", "mediatek/filogic", &"a".repeat(64));
        let b = cache_name("openwrt", "24.10.7", "mediatek-filogic", &"a".repeat(64));
        assert!(a.len() <= 55, "{a}");
        assert!(a.starts_with("openwrt-24-10-7-mediatek-filogic-"), "{a}");
        assert_ne!(a, b);
    }
}
