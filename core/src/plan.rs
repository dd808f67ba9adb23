//! The plan of a pod: the instructions for the builder. The operator writes it as JSON into the pod's
//! annotation [`PLAN_ANNOTATION`]. The containers read it as a file of the downward API, so it is not
//! in any process list, and no container can change it. It must not contain a first-boot script.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    catalog::TarballDigest,
    names::{PackageSpec, ProfileId},
    request::{Filesystem, Request},
    request_hash::RequestHash,
};

/// Name of the annotation that contains the plan.
pub const PLAN_ANNOTATION: &str = "asu.dev/plan";
/// Version of the plan format.
pub const PLAN_SCHEMA: u32 = 1;

/// Paths in the containers of a pod.
pub mod paths {
    /// The plan, a file of the downward API.
    pub const PLAN: &str = "/asu/plan/plan.json";
    /// Mount of the cache's volume, with [`TREE`] and [`MARKER`]; read-only in builds.
    pub const IMAGE_BUILDER: &str = "/asu/imagebuilder";
    /// Mount of the OCI image with an ImageBuilder, only in populate pods that copy it.
    pub const IMAGE: &str = "/asu/image";
    /// Name of the unpacked tree below [`IMAGE_BUILDER`]. The warm-up and all builds use it at this
    /// path.
    pub const TREE: &str = "tree";
    /// Name of the marker below [`IMAGE_BUILDER`].
    pub const MARKER: &str = "marker.json";
    /// Work folder: a volume that `build` and `publish` share.
    pub const WORK: &str = "/asu/work";
    /// Lock file below [`WORK`], held by `build` from its start to its end.
    pub const LOCK: &str = "build.lock";
    /// Outcome of `build` below [`WORK`], written by rename.
    pub const OUTCOME: &str = "outcome.json";
    /// Current stage below [`WORK`], written by rename.
    pub const STAGE: &str = "stage";
    /// Output of all commands of `build`, below [`WORK`].
    pub const LOG: &str = "build.log";
    /// Folder with the finished files, below [`WORK`].
    pub const OUTPUT: &str = "out";
    /// Mount of the artifact store, only in `publish`.
    pub const STORE: &str = "/asu/store";
    /// Folder of the private first-boot script, only in `build`.
    pub const DEFAULTS: &str = "/asu/defaults";
    /// Key of the script in its Secret, and its file name in [`DEFAULTS`].
    pub const DEFAULTS_KEY: &str = "defaults";
}

/// Limits of one build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildLimits {
    /// Time limit from the start of `build` to its outcome, in seconds.
    pub seconds: u64,
    /// Maximum size of the work folder in bytes. Lower than the volume's own limit: exceeding that
    /// would evict the pod and lose the log.
    pub work_bytes: u64,
    /// Maximum size of the stored log in bytes. The end of a longer log is replaced by a note.
    pub log_bytes: u64,
    /// Maximum number of files in the output folder.
    pub output_files: u32,
    /// Maximum total size of these files in bytes.
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

/// How a build gets a writable tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Workspace {
    /// A link farm: links to the read-only tree, and copies of the files that an ImageBuilder writes.
    #[default]
    LinkFarm,
    /// A full copy of the tree.
    Copy,
}

/// A feed of the distribution in the plan of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// Its name in opkg's repositories file.
    pub name: String,
    /// URL of its folder.
    pub url: String,
    /// Public keys: usign for opkg, PEM for apk. Only those of the tree's package manager are used.
    pub keys: Vec<String>,
}

/// The plan of a build pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// Version of the format: [`PLAN_SCHEMA`].
    pub schema: u32,
    /// uid of the FirmwareBuild; part of the object keys of result and log.
    pub uid: String,
    /// Number of this attempt, from 1. Results of infrastructure failures are stored by attempt.
    pub attempt: u32,
    /// Hash of the request as it was asked for.
    pub request_hash: RequestHash,
    /// The request with the packages after the distribution's package changes and package edits.
    pub request: Request,
    /// Lines for the beginning of the log: what the package edits changed.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Revision that the build was accepted with; the tree must have the same.
    pub version_code: String,
    /// Digest of the ImageBuilder's tarball.
    pub image_builder: TarballDigest,
    /// Digest (or reference) of the image that this pod runs.
    pub builder_image: String,
    /// Base URL of the feeds in the tree's repositories file (the distribution's `publicURL`).
    pub public_url: String,
    /// Base URL that replaces [`BuildPlan::public_url`] for downloads of packages.
    pub package_base_url: String,
    /// Feeds of the distribution besides those of the tree.
    #[serde(default)]
    pub feeds: Vec<Feed>,
    /// How the build gets a writable tree.
    #[serde(default)]
    pub workspace: Workspace,
    /// Limits of the build.
    pub limits: BuildLimits,
}

/// The plan of a populate pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PopulatePlan {
    /// Version of the format: [`PLAN_SCHEMA`].
    pub schema: u32,
    /// uid of the ImageBuilderCache.
    pub uid: String,
    /// Name of the version, for messages.
    pub version: String,
    /// `target/subtarget`, for messages.
    pub target: String,
    /// Base URLs of the mirrors, tried in order.
    pub fetch_urls: Vec<String>,
    /// Folder of the target below a mirror, for example `releases/24.10.7/targets/ath79/generic`.
    pub target_path: String,
    /// usign public keys, one of which must have signed `sha256sums`. Empty when the Distribution
    /// explicitly disables the check.
    pub keys: Vec<String>,
    /// Plain file name of the tarball.
    pub file: String,
    /// Digest of the tarball.
    pub sha256: TarballDigest,
    /// Digest (or reference) of the image that this pod runs.
    pub builder_image: String,
    /// Maximum size of the tarball in bytes.
    pub max_download_bytes: u64,
    /// Maximum size of the unpacked tree in bytes.
    pub max_tree_bytes: u64,
    /// Maximum number of entries of the tarball.
    pub max_entries: u64,
    /// Time limit in seconds.
    pub seconds: u64,
    /// The OCI image that is copied instead of downloading the tarball.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<PlanImage>,
}

/// An OCI image with an ImageBuilder, mounted at [`paths::IMAGE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanImage {
    /// Its reference.
    pub reference: String,
    /// Folder of the ImageBuilder below the root of the image.
    pub path: String,
    /// Revision that the ImageBuilder must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When the node asks the registry, in the words of Kubernetes: Always or IfNotPresent.
    pub pull_policy: String,
}

/// Package generation of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// opkg, up to 24.10.
    Opkg,
    /// apk, from 25.12.
    Apk,
}

/// Content of the marker file, which `populate` writes last. A tree without a marker is never used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Version of the format: [`PLAN_SCHEMA`].
    pub schema: u32,
    /// Digest of the tarball it was unpacked from.
    pub sha256: TarballDigest,
    /// Builder image it was warmed up in.
    pub builder_image: String,
    /// Package generation, detected from the tree's files, not from its version.
    pub package_manager: PackageManager,
    /// `Current Revision` of `make info`.
    pub revision: String,
    /// `Default Packages` of `make info`.
    pub default_packages: Vec<PackageSpec>,
    /// Packages of each profile, by profile id.
    pub profiles: BTreeMap<ProfileId, Vec<PackageSpec>>,
    /// Root file systems that the tree's configuration enables.
    pub filesystems: Vec<Filesystem>,
    /// Whether the make goals behind `manifest` and `image` can be run separately, so that packages
    /// are resolved only once.
    pub single_resolution: bool,
    /// Size of the unpacked tree in bytes.
    pub bytes: u64,
    /// Number of entries of the unpacked tree.
    pub entries: u64,
}
