//! Reads a target's `sha256sums` and verifies its signature, for the catalog and for `populate`. The
//! signature file is read first. The list is then verified and parsed while it is received, so that
//! unverified content is not kept in memory; the result is used only after the signature was verified.

use asu_core::digest::Digest;
use url::Url;

use crate::client::{Upstream, Validator, join, receive, validator_of};
use crate::error::{UpstreamError, shown};
use crate::signature::{UsignPublicKey, Verification};
use crate::sums::{Sums, SumsReader};

/// Maximum size of a list in bytes. The largest targets have 10,000 lines of 150 bytes.
const MAX_SUMS: u64 = 4 << 20;

/// Maximum size of a signature file in bytes.
const MAX_SIGNATURE: u64 = 4096;

/// Whose signature of a target's list is required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A signature by one of these keys.
    Keys(Vec<UsignPublicKey>),
    /// No signature: the Distribution explicitly disables the check.
    Unsigned,
}

impl Trust {
    /// Identifies the keys.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Unsigned => Digest::of(b"unsigned"),
            Self::Keys(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|key| Digest::of(key.bytes()).to_string()).collect();
                Digest::of(format!("keys {}", keys.join(" ")).as_bytes())
            }
        }
    }
}

/// A list with a verified signature, or one that needs none.
#[derive(Debug)]
pub(crate) struct SignedSums {
    /// The digests of the wanted files.
    pub(crate) sums: Sums,
    /// For the next conditional request.
    pub(crate) validator: Validator,
    /// URL of the list.
    pub(crate) url: Url,
}

/// Reads the list in `folder` from `mirror`, a client for one mirror. `None` when the list is
/// unchanged since `known`.
pub(crate) async fn read(
    mirror: &Upstream,
    folder: &str,
    trust: &Trust,
    wanted: &[&str],
    known: Option<&Validator>,
) -> Result<Option<SignedSums>, UpstreamError> {
    let path = format!("{folder}/sha256sums");
    mirror
        .on_any_mirror(&path, async |url| {
            let Some(response) = mirror.ask(&url, known).await? else { return Ok(None) };
            let bad = |source| UpstreamError::BadSignature { url: shown(&url), source };
            let mut verification = match trust {
                Trust::Unsigned => None,
                Trust::Keys(keys) => {
                    let file = mirror.document(&format!("{path}.sig"), MAX_SIGNATURE).await?;
                    let text = String::from_utf8_lossy(&file.bytes);
                    Some(Verification::begin(keys, &text).map_err(bad)?)
                }
            };
            let validator = validator_of(&response);
            let mut reader = SumsReader::new(wanted);
            receive(response, &url, MAX_SUMS, async |piece, _| {
                if let Some(verification) = &mut verification {
                    verification.update(&piece);
                }
                reader.chunk(&piece);
                Ok(())
            })
            .await?;
            if let Some(verification) = verification {
                let key = verification.finish().map_err(bad)?;
                tracing::debug!(%key, %url, "the signature is good");
            }
            let sums = reader.finish().map_err(|error| error.at(&url))?;
            Ok(Some(SignedSums { sums, validator, url }))
        })
        .await
}

impl Upstream {
    /// Checks that the signed list in `folder` contains `file` with this digest. The mirrors are tried
    /// until one has such a list.
    ///
    /// # Errors
    /// When no mirror has such a list.
    pub async fn check_listed(
        &self,
        folder: &str,
        trust: &Trust,
        file: &str,
        expected: &Digest,
    ) -> Result<(), UpstreamError> {
        let checked = self.on_each_alone(async |mirror| {
            let sums = read(mirror, folder, trust, &[file], None).await?;
            let url = join(mirror.base()?, &format!("{folder}/sha256sums"))?;
            let sums = sums.map(|signed| signed.sums).unwrap_or_default();
            match sums.digest_of(file).map_err(|error| error.at(&url))? {
                Some(digest) if digest == expected => Ok(()),
                Some(digest) => Err(UpstreamError::BadChecksum {
                    url: format!("{file} in {}", shown(&url)),
                    expected: *expected,
                    actual: *digest,
                }),
                None => Err(UpstreamError::Malformed {
                    url: shown(&url),
                    what: "sha256sums",
                    detail: format!("{file} is not listed"),
                }),
            }
        });
        checked.await.map(|given| given.answer)
    }
}
