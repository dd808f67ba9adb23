//! Types of a distribution that is built with the ImageBuilders of another one, its parent, and adds feeds
//! and default packages to them. `child.rs` has their meaning.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The distribution whose ImageBuilders, targets, profiles and feeds are used.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Name of its Distribution, which must be in the same namespace and have no parent itself.
    #[schemars(length(min = 1, max = 63))]
    pub distribution: String,
}

/// A version of the distribution that has another name in its parent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ParentVersion {
    /// Own name of the version, for example 2024.1.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: String,
    /// Name of the version in the parent, for example 23.05.5.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub parent: String,
}

/// A package feed that is used in addition to those of the ImageBuilder.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// Name of the feed, different from those of the ImageBuilder's own feeds.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// URL of the folder of the package index, with the placeholders {version}, {parentVersion}, {target}
    /// and {arch}.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub url: String,
    /// Public keys, one of which must have signed the index: usign keys for opkg, PEM keys for apk. Builds
    /// use those of the package manager of the ImageBuilder.
    #[serde(default)]
    #[schemars(length(max = 8), inner(length(min = 40, max = 2048)))]
    pub keys: Vec<String>,
    /// Names of the branches that have the feed. If empty, all have it.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    pub branches: Vec<String>,
    /// Whether its packages are network profiles, the configurations of communities. They are listed at
    /// /network-profiles/Packages, where LibreMesh Chef offers them for selection.
    #[serde(default)]
    pub network_profiles: bool,
}
