//! OCI images with ImageBuilders, which a Distribution can use instead of tarballs: their schema.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// OCI images that contain unpacked ImageBuilders, such as those that OpenWrt publishes. The nodes pull them,
/// with their own mirrors and credentials, as image volumes (Kubernetes 1.35 or newer).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageBuilderImage {
    /// Patterns of which a version must fit one, for example 24.10.*. If empty, any version fits.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.*-]+$"))
    )]
    pub versions: Vec<String>,
    /// Reference of the image, with the placeholders {version}, {board} and {subtarget}, for example
    /// ghcr.io/openwrt/imagebuilder:{board}-{subtarget}-v{version}.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[a-z0-9][A-Za-z0-9._:/@{}-]*$"))]
    pub reference: String,
    /// Folder of the ImageBuilder in the image.
    #[serde(default = "default_path")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*$")
    )]
    pub path: String,
    /// When the nodes ask the registry. Always, because tags of snapshots move, or only if a node has no
    /// such image.
    #[serde(default)]
    pub pull_policy: PullPolicy,
}

/// When a node asks the registry for an image, in the words of Kubernetes.
#[derive(
    JsonSchema,
    Serialize,
    Deserialize,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::IntoStaticStr,
)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum PullPolicy {
    #[default]
    Always,
    IfNotPresent,
}

fn default_path() -> String {
    "builder".to_owned()
}

impl ImageBuilderImage {
    pub(crate) fn fill(&self, version: &str, board: &str, subtarget: &str) -> String {
        self.reference
            .replace("{version}", version)
            .replace("{board}", board)
            .replace("{subtarget}", subtarget)
    }
}
