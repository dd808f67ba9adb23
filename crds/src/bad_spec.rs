//! The error of a spec that cannot be converted to the types of the domain.

use asu_core::{names::BadName, request};

use crate::bad_feed::BadFeed;

/// A spec that is valid for the schema but not for the domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// A field is outside its limits.
    #[error("spec.request.{0}")]
    Field(#[from] request::InvalidField),
    /// The digest of the first-boot script is malformed.
    #[error("spec.request.defaults.sha256: {0}")]
    Digest(#[from] asu_core::digest::NotADigest),
    /// A name in the spec of a Distribution is malformed.
    #[error("spec.{field}: {error}")]
    Name {
        /// Path of the field below `spec`.
        field: String,
        /// What is wrong.
        error: BadName,
    },
    /// A feed of a Distribution cannot be used.
    #[error("spec.feeds[{name}]: {error}")]
    Feed {
        /// Name of the feed.
        name: String,
        /// What is wrong.
        error: BadFeed,
    },
    /// The reference of an OCI image cannot be used.
    #[error(
        "spec.imageBuilderImages: {reference} has an unknown placeholder; there are {{version}}, {{board}} and {{subtarget}}"
    )]
    Image {
        /// The reference.
        reference: String,
    },
    /// The package edits of a Distribution add too many packages.
    #[error("spec.packageEdits: {number} different packages are added; at most {most} may be")]
    TooManyAdded {
        /// Maximum number.
        most: usize,
        /// Number of different packages.
        number: usize,
    },
}
