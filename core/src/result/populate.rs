//! The result of a populate pod. `populate` writes it as the termination message of its container, the
//! operator reads it.

use serde::{Deserialize, Serialize};

use super::RESULT_SCHEMA;
use crate::{failure::plain_text, plan::Marker};

/// Why a cache could not be filled. The name is the `reason` of its condition.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum PopulateFailure {
    /// No mirror could be reached.
    Unavailable,
    /// A download ended or timed out before its end.
    DownloadFailed,
    /// The tarball does not exist on the server.
    NotFound,
    /// The signature of `sha256sums` is not by a trusted key.
    BadSignature,
    /// The tarball has another digest.
    BadChecksum,
    /// The tarball was downloaded completely, but is truncated or not an archive.
    BadArchive,
    /// The tarball has a member that must not be unpacked.
    HostileArchive,
    /// The tarball or the tree is larger than allowed.
    TooLarge,
    /// The volume is full.
    NoSpace,
    /// `make info` or the prerequisite check failed.
    WarmUpFailed,
    /// The time limit was exceeded.
    TimedOut,
    /// The kernel killed a process because memory ran out.
    OutOfMemory,
    /// An error of this system.
    Internal,
}

impl PopulateFailure {
    /// Every reason.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// CamelCase word for conditions and events.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Termination message of a populate pod. Kubernetes limits it to 4,096 bytes, so it does not contain
/// the package lists of the marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PopulateResult {
    /// Version of the format: [`RESULT_SCHEMA`].
    pub schema: u32,
    /// The failure; absent when the tree is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PopulateFailure>,
    /// Message of the failure with the member or the URL; at most 1,000 characters.
    #[serde(default)]
    pub detail: String,
    /// OpenWrt revision of the tree.
    #[serde(default)]
    pub revision: String,
    /// Size of the tree in bytes.
    #[serde(default)]
    pub bytes: u64,
}

impl PopulateResult {
    /// The result for a finished tree.
    pub fn ready(marker: &Marker) -> Self {
        Self {
            schema: RESULT_SCHEMA,
            failure: None,
            detail: String::new(),
            revision: marker.revision.clone(),
            bytes: marker.bytes,
        }
    }

    /// The result for a failure.
    pub fn failed(failure: PopulateFailure, detail: &str) -> Self {
        Self {
            schema: RESULT_SCHEMA,
            failure: Some(failure),
            detail: plain_text(detail, 1000),
            revision: String::new(),
            bytes: 0,
        }
    }
}
