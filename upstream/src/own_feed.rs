//! Reads the package index of one feed at a URL of its own. Called by the operator for the feeds that a
//! distribution adds to those of its parent. Its signature is checked by the builds that use it.

use asu_core::digest::Digest;
use url::Url;

use crate::{
    client::{ClientOptions, Upstream},
    error::UpstreamError,
    indexes::Folder,
    keeper::{Keeper, keep_index},
};

/// Reads the index in the folder `url`, stores it and returns its digest.
///
/// # Errors
/// When the URL is malformed, or the index cannot be read or stored.
pub async fn read_own_feed(
    url: &str,
    arch: &str,
    keeper: &impl Keeper,
) -> Result<Digest, UpstreamError> {
    let malformed = || UpstreamError::Setup { detail: format!("{url} is no URL of a folder") };
    let (base, path) = url.trim_end_matches('/').rsplit_once('/').ok_or_else(malformed)?;
    let base = Url::parse(&format!("{base}/")).map_err(|_| malformed())?;
    let upstream = Upstream::new(vec![base], ClientOptions::default())?;
    let folder = Folder { upstream: &upstream, path: path.to_owned(), arch };
    match folder.read(|_| Ok(None), None).await? {
        Some(found) => keep_index(keeper, &found.index).await,
        None => Err(UpstreamError::NotFound { url: url.to_owned() }),
    }
}
