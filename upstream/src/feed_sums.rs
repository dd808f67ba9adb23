//! Reads the signed list of the feeds of an architecture: `<arch>/sha256sums` with its signature. It has
//! the digest of each index. A download server without such a list is accepted, because a build verifies
//! the signature of each index that it uses anyway.

use asu_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    client::{Upstream, Validator},
    error::UpstreamError,
    signed_sums::{self, Trust},
    sums::Sums,
};

/// The files of feeds whose digests are needed; `*` is the name of the feed.
const WANTED: [&str; 3] = ["*/index.json", "*/Packages.gz", "*/Packages"];

/// A list with a verified signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedSums {
    sums: Sums,
    validator: Validator,
    /// Digest of the keys with which it was verified.
    trust: Digest,
}

/// Reads the list below `folder`. `None` if signatures are not checked, or the server has no signed list.
///
/// # Errors
/// When the list cannot be read or is not signed by a trusted key, also when it disappeared since the last
/// reading: then its feeds must not be used unverified.
pub(crate) async fn read(
    upstream: &Upstream,
    folder: &str,
    trust: &Trust,
    last: Option<&FeedSums>,
) -> Result<Option<FeedSums>, UpstreamError> {
    if *trust == Trust::Unsigned {
        return Ok(None);
    }
    let last = last.filter(|last| last.is_of(trust));
    let known =
        last.map(|last| &last.validator).filter(|validator| **validator != Validator::default());
    let read = upstream.on_each_alone(async |mirror| {
        signed_sums::read(mirror, folder, trust, &WANTED, known).await
    });
    match read.await.map(|given| given.answer) {
        Ok(Some(signed)) => {
            let (sums, validator) = (signed.sums, signed.validator);
            Ok(Some(FeedSums { sums, validator, trust: trust.digest() }))
        }
        Ok(None) => Ok(last.cloned()),
        Err(UpstreamError::NotFound { .. }) if last.is_none() => Ok(None),
        Err(error) => Err(error),
    }
}

impl FeedSums {
    /// Whether it was verified with these keys.
    pub(crate) fn is_of(&self, trust: &Trust) -> bool {
        self.trust == trust.digest()
    }

    /// The digest of a file of a feed.
    ///
    /// # Errors
    /// A file that is not listed does not exist for us.
    pub(crate) fn digest_of(&self, feed: &str, file: &str) -> Result<Digest, UpstreamError> {
        let path = format!("{feed}/{file}");
        let listed = self.sums.digest_of(&path);
        let listed = listed.map_err(|error| UpstreamError::Malformed {
            url: "sha256sums of the feeds".to_owned(),
            what: error.what,
            detail: error.detail,
        })?;
        let missing =
            || UpstreamError::NotFound { url: format!("{path} in the signed sha256sums") };
        listed.copied().ok_or_else(missing)
    }
}
