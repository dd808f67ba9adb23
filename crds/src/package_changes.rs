//! Package changes of a Distribution: their schema.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A package that was renamed, or dropped if it has no target.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("has(self.revision) != has(self.version)")
        .message("a change needs the first revision or the first version that has it, and not both")
)]
pub struct PackageChange {
    /// Old name of the package.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub source: String,
    /// New name of the package. Without it, the package was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub target: Option<String>,
    /// Number of the first revision with the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// First version with the change, for example 17.01.0, if it has no revision. Such a change is applied
    /// to requests, but not published: clients compare revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: Option<String>,
    /// Whether clients must apply the change even if they keep their packages otherwise.
    #[serde(default)]
    pub mandatory: bool,
    /// Other new names, of which the first that fits the packages of a request is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub choices: Vec<PackageChoice>,
}

/// A new name that depends on the other packages of a request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PackageChoice {
    /// New name of the package.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub target: String,
    /// Packages of which the request must have one.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))
    )]
    pub with: Vec<String>,
}
