//! Where a reading leaves the documents that it finds. The caller keeps each of them as soon as it
//! was read: all documents of a distribution together have gigabytes.

use std::future::Future;

use asu_core::digest::Digest;

use crate::error::UpstreamError;

/// Keeps documents by the digest of their content.
pub trait Keeper {
    /// Keeps a document, or says why it cannot.
    fn keep(&self, content: Vec<u8>) -> impl Future<Output = Result<Digest, String>>;
}

/// Keeps a document.
pub(crate) async fn keep(keeper: &impl Keeper, content: Vec<u8>) -> Result<Digest, UpstreamError> {
    keeper.keep(content).await.map_err(|detail| UpstreamError::NotKept { detail })
}
