//! Reads the tools' messages about images that are too big for their device. Part of the
//! classification of a build's output.

use std::sync::LazyLock;

use regex::Regex;

use super::{found, group};
use crate::failure::{Failure, FailureReason};

pattern!(SIZES, r"is too big: (\d+) > (\d+)");
// Image tools of vendors: TP-Link's for several kinds of images, and others without numbers.
pattern!(BY, r"images are too big by (\d+) bytes");
pattern!(PARTITION, r"partition too big(?: \(more than (\d+) bytes\))?");
pattern!(OTHER, r"image too big|out of space\?");

/// The sizes in a tool's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TooBig {
    /// Size of the image, and its limit.
    Sizes { image: String, limit: String },
    /// By how many bytes the image exceeds the limit. The message does not contain the limit; the
    /// caller may know it.
    By { bytes: String, limit: Option<u64> },
    /// Maximum size of a partition.
    Partition { limit: String },
    /// The message contains no size.
    Unknown,
}

impl TooBig {
    pub(super) fn read(line: &str) -> Option<Self> {
        if let (Some(image), Some(limit)) = (group(&SIZES, line, 1), group(&SIZES, line, 2)) {
            return Some(Self::Sizes { image, limit });
        }
        if let Some(bytes) = group(&BY, line, 1) {
            return Some(Self::By { bytes, limit: None });
        }
        if found(&PARTITION, line) {
            let limit = group(&PARTITION, line, 1);
            return Some(limit.map_or(Self::Unknown, |limit| Self::Partition { limit }));
        }
        found(&OTHER, line).then_some(Self::Unknown)
    }

    pub(super) fn failure(&self) -> Failure {
        let sizes = match self {
            Self::Sizes { image, limit } => format!(": {image} > {limit} bytes"),
            Self::By { bytes, limit: Some(limit) } => {
                format!(": {bytes} bytes more than the {limit} bytes that an image may have")
            }
            Self::By { bytes, limit: None } => format!(": {bytes} bytes too many"),
            Self::Partition { limit } => format!(": a partition has more than {limit} bytes"),
            Self::Unknown => String::new(),
        };
        Failure::new(
            FailureReason::ImageTooBig,
            format!("Selected packages exceed device storage{sizes}"),
        )
    }
}
