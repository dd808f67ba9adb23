//! What a populate pod says at its end.

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
    /// The server did not answer.
    Unavailable,
    /// What was fetched broke off or fell silent before its end.
    DownloadFailed,
    /// The tarball is not there.
    NotFound,
    /// The signature of `sha256sums` is not by a trusted key.
    BadSignature,
    /// The tarball has another digest.
    BadChecksum,
    /// The tarball came whole, and ends early or is not an archive.
    BadArchive,
    /// The tarball has a member that may not be unpacked.
    HostileArchive,
    /// Larger than allowed.
    TooLarge,
    /// The volume is full.
    NoSpace,
    /// `make info` or the prerequisite check failed.
    WarmUpFailed,
    /// It took too long.
    TimedOut,
    /// The kernel killed something for want of memory.
    OutOfMemory,
    /// A fault of this system.
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

/// Termination message of a populate pod (at most 4,096 bytes, so without the package lists).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PopulateResult {
    /// [`RESULT_SCHEMA`].
    pub schema: u32,
    /// Absent when the tree is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PopulateFailure>,
    /// What happened, naming the member or the URL; at most 1,000 characters.
    #[serde(default)]
    pub detail: String,
    /// Revision of the tree.
    #[serde(default)]
    pub revision: String,
    /// Bytes of the tree.
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
