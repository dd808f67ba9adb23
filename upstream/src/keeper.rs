//! The interface through which the readings pass documents to their caller, the operator. The operator
//! stores each document as soon as it was read, because all documents of a distribution together have
//! gigabytes.

use std::future::Future;

use asu_core::{digest::Digest, package_index::PackageIndex};

use crate::error::UpstreamError;

/// Stores documents by the digest of their content.
pub trait Keeper {
    /// Stores a document and returns its digest, or the reason why it cannot be stored.
    fn keep(&self, content: Vec<u8>) -> impl Future<Output = Result<Digest, String>>;
}

/// Stores a document.
pub(crate) async fn keep(keeper: &impl Keeper, content: Vec<u8>) -> Result<Digest, UpstreamError> {
    keeper.keep(content).await.map_err(|detail| UpstreamError::NotKept { detail })
}

/// Stores a package index as a document.
pub(crate) async fn keep_index(
    keeper: &impl Keeper,
    index: &PackageIndex,
) -> Result<Digest, UpstreamError> {
    let content = serde_json::to_vec(index)
        .map_err(|error| UpstreamError::NotKept { detail: error.to_string() })?;
    keep(keeper, content).await
}
