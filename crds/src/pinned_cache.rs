//! ImageBuilders that a Distribution keeps ready: their schema.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::image_builder_cache::CacheWorkspace;

/// An ImageBuilder that is downloaded before any request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PinnedCache {
    /// Version, for example 24.10.7.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub version: String,
    /// Target with its subtarget, for example ath79/generic.
    #[schemars(
        length(min = 3, max = 65),
        regex(pattern = "^[A-Za-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}$")
    )]
    pub target: String,
    /// How builds get a writable tree: LinkFarm makes links to the cache, Copy copies all of it.
    #[serde(default)]
    pub workspace: CacheWorkspace,
}
