//! Kinds of versions, and keys of single kinds.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of version.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum Channel {
    Release,
    Candidate,
    Snapshot,
}

/// Keys that must have signed the versions of one kind.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ChannelKeys {
    /// Kind of the versions.
    pub channel: Channel,
    /// usign public keys, each the base64 line or the file with its comment.
    #[schemars(length(min = 1, max = 8), inner(length(min = 40, max = 256)))]
    pub keys: Vec<String>,
}
