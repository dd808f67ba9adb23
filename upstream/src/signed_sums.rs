//! Reads a target's `sha256sums` and checks who signed it, without holding what nobody signed: the
//! signature comes first, the list is checked and read while it comes, and believed when it came whole.

use asu_core::digest::Digest;
use url::Url;

use crate::client::{Upstream, Validator, join, receive, validator_of};
use crate::error::{UpstreamError, shown};
use crate::signature::{UsignPublicKey, Verification};
use crate::sums::{Sums, SumsReader};

/// Most bytes of a list. The largest targets have 10,000 lines of 150 bytes.
const MAX_SUMS: u64 = 4 << 20;

/// Most bytes of a signature.
const MAX_SIGNATURE: u64 = 4096;

/// Who must have signed a target's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One of these keys.
    Keys(Vec<UsignPublicKey>),
    /// Nobody: the distribution's owner says so explicitly.
    Unsigned,
}

/// A list that is signed by whom it must be.
#[derive(Debug)]
pub(crate) struct SignedSums {
    /// What was asked about.
    pub(crate) sums: Sums,
    /// For the next time.
    pub(crate) validator: Validator,
    /// Where it came from.
    pub(crate) url: Url,
}

/// The list in `folder` of a client for one mirror; nothing when it is still the one that `known`
/// belongs to.
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
                reader.piece(&piece);
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
    /// Makes sure that a mirror's signed list in `folder` names `file` with this digest. A mirror that
    /// has another list is followed by the next.
    ///
    /// # Errors
    /// When none has such a list.
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
