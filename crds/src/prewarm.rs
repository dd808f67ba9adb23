//! Which ImageBuilders are downloaded before any request needs them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// ImageBuilders that are downloaded before any request needs them, and deleted like all others when
/// they are not used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Prewarm {
    /// Number of targets for each branch. When a branch has a new version, caches are created for those
    /// of its targets that were built most often in the versions of the branch.
    #[serde(default)]
    #[schemars(range(min = 0, max = 32))]
    pub most_used: u32,
}
