//! The error of a feed in the spec of a Distribution.

use asu_core::{
    feeds::BadFeedUrl, repositories::BadRepositoryName, repository_keys::BadRepositoryKey,
};

/// Why a feed cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFeed {
    /// Its name.
    #[error(transparent)]
    Name(#[from] BadRepositoryName),
    /// Its URL.
    #[error("url: {0}")]
    Url(#[from] BadFeedUrl),
    /// One of its keys.
    #[error("keys: {0}")]
    Key(#[from] BadRepositoryKey),
}
