//! Display names and descriptions of versions of a Distribution: their schema.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Display name and description of a version.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("has(self.title) || has(self.description)")
        .message("give a title or a description")
)]
pub struct VersionTitle {
    /// Name of the version, for example 2024.1.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: String,
    /// Display name, for example "stable".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub title: Option<String>,
    /// One sentence about the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub description: Option<String>,
}
