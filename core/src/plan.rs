//! What a pod is told to do. The operator writes a plan as JSON into the annotation
//! [`PLAN_ANNOTATION`] of the pod; the downward API shows it to the containers as a file, so that
//! it appears in no process list and no container can change it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    request::{Filesystem, Request},
    request_hash::RequestHash,
};

/// Annotation of a pod that carries its plan.
pub const PLAN_ANNOTATION: &str = "asu.dev/plan";
/// Version of the plan format.
pub const PLAN_SCHEMA: u32 = 1;

/// Where a pod finds what it works with.
pub mod paths {
    /// Plan file, from the downward API.
    pub const PLAN: &str = "/asu/plan/plan.json";
    /// The cache's folder: holds [`TREE`] and [`MARKER`], read-only in builds.
    pub const IMAGE_BUILDER: &str = "/asu/imagebuilder";
    /// Name of the unpacked tree below the cache's folder. It is warmed up and used at this path.
    pub const TREE: &str = "tree";
    /// Name of the marker below the cache's folder.
    pub const MARKER: &str = "marker.json";
    /// Folder that `build` and `publish` share.
    pub const WORK: &str = "/asu/work";
    /// Lock that `build` holds from its first act to its end, below [`WORK`].
    pub const LOCK: &str = "build.lock";
    /// Outcome of `build`, put there by rename, below [`WORK`].
    pub const OUTCOME: &str = "outcome.json";
    /// Current stage word, put there by rename, below [`WORK`].
    pub const STAGE: &str = "stage";
    /// Output of every command that `build` ran, below [`WORK`].
    pub const LOG: &str = "build.log";
    /// Folder with the finished files, below [`WORK`].
    pub const OUTPUT: &str = "out";
    /// The artifact store, in `publish` alone.
    pub const STORE: &str = "/asu/store";
    /// Folder of the private first-boot script, in `build` alone.
    pub const DEFAULTS: &str = "/asu/defaults";
    /// File name of the script in its Secret and its folder.
    pub const DEFAULTS_KEY: &str = "defaults";
}

/// A third-party repository of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRepository {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
}

/// Bounds of one build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildLimits {
    /// Longest time from the first act of `build` to its outcome, in seconds.
    pub seconds: u64,
    /// Most bytes below the work folder. Kept below the volume's own limit, whose crossing would
    /// evict the pod and lose the log.
    pub work_bytes: u64,
    /// Most bytes of the log that are kept; the end of a longer one is dropped with a note.
    pub log_bytes: u64,
    /// Most files a build may hand over.
    pub output_files: u32,
    /// Most bytes a build may hand over.
    pub output_bytes: u64,
}

impl Default for BuildLimits {
    fn default() -> Self {
        Self {
            seconds: 600,
            work_bytes: 4 << 30,
            log_bytes: 8 << 20,
            output_files: 64,
            output_bytes: 3 << 30,
        }
    }
}

/// How a build gets a tree that it may write to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Workspace {
    /// Links to the read-only tree, with private copies of what an ImageBuilder writes.
    #[default]
    LinkFarm,
    /// A whole copy of the tree.
    Copy,
}

/// What a build pod does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// [`PLAN_SCHEMA`].
    pub schema: u32,
    /// uid of the FirmwareBuild: names the result and the log.
    pub uid: String,
    /// Number of this attempt, from 1. An infrastructure failure is stored under its attempt.
    pub attempt: u32,
    /// Hash of [`BuildPlan::request`].
    pub request_hash: RequestHash,
    /// The canonical request; `packages` after the distribution's package changes.
    pub request: Request,
    /// Revision that the build was validated with; the tree's must be the same.
    pub version_code: String,
    /// Digest of the ImageBuilder's tarball.
    pub image_builder: Digest,
    /// Digest (or reference) of the image that this pod runs.
    pub builder_image: String,
    /// Base that the tree's repositories name (the distribution's `publicURL`).
    pub public_url: String,
    /// Base that packages are fetched from instead.
    pub package_base_url: String,
    /// See [`Workspace`].
    #[serde(default)]
    pub workspace: Workspace,
    /// Bounds.
    pub limits: BuildLimits,
}

impl BuildPlan {
    /// Third-party repositories, by name.
    pub fn repositories(&self) -> Vec<PlanRepository> {
        let pairs = self.request.repositories.iter();
        pairs.map(|(name, url)| PlanRepository { name: name.clone(), url: url.clone() }).collect()
    }
}

/// What a populate pod does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PopulatePlan {
    /// [`PLAN_SCHEMA`].
    pub schema: u32,
    /// uid of the ImageBuilderCache.
    pub uid: String,
    /// Version, for messages.
    pub version: String,
    /// `target/subtarget`, for messages.
    pub target: String,
    /// Mirrors, tried in order.
    pub fetch_urls: Vec<String>,
    /// Folder of the target below a mirror, for example `releases/24.10.7/targets/ath79/generic`.
    pub target_path: String,
    /// usign public keys of which one must have signed `sha256sums`; none means that the
    /// Distribution says so explicitly.
    pub keys: Vec<String>,
    /// Plain file name of the tarball.
    pub file: String,
    /// Digest of the tarball.
    pub sha256: Digest,
    /// Digest (or reference) of the image that this pod runs.
    pub builder_image: String,
    /// Most bytes of the tarball.
    pub max_download_bytes: u64,
    /// Most bytes of the unpacked tree.
    pub max_tree_bytes: u64,
    /// Most entries of the tarball.
    pub max_entries: u64,
    /// Longest time, in seconds.
    pub seconds: u64,
}

/// Package generation of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// Up to 24.10.
    Opkg,
    /// From 25.12.
    Apk,
}

/// What the marker of a warmed-up tree says. A tree without one is never used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// [`PLAN_SCHEMA`].
    pub schema: u32,
    /// Digest of the tarball it was unpacked from.
    pub sha256: Digest,
    /// Builder image it was warmed up in.
    pub builder_image: String,
    /// Read from the tree, not from its version.
    pub package_manager: PackageManager,
    /// `Current Revision` of `make info`.
    pub revision: String,
    /// `Default Packages` of `make info`.
    pub default_packages: Vec<String>,
    /// Packages of each profile, by id.
    pub profiles: BTreeMap<String, Vec<String>>,
    /// Root file systems that the tree's configuration enables.
    pub filesystems: Vec<Filesystem>,
    /// Whether the goals behind `manifest` and `image` can be run one by one.
    pub single_resolution: bool,
    /// Bytes of the unpacked tree.
    pub bytes: u64,
    /// Entries of the unpacked tree.
    pub entries: u64,
}
