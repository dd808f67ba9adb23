//! Verifies the signatures of a download server's lists with the trusted keys. [`asu_core::usign`]
//! parses the files.

pub use asu_core::usign::KeyId;
use asu_core::usign::Usign;
use ed25519_dalek::{Signature, StreamVerifier, VerifyingKey};

/// Why a key or a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The file does not have the format of usign.
    #[error("not a usign {what}: {problem}")]
    Format {
        /// `public key` or `signature`.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No trusted key has the signature's key id.
    #[error("signed by key {signed_by}, trusted are {}", list(trusted))]
    UnknownKey {
        /// Key id of the signature.
        signed_by: KeyId,
        /// Key ids of the trusted keys.
        trusted: Vec<KeyId>,
    },
    /// The signature is not valid for the content.
    #[error("the signature of key {signed_by} does not fit the content")]
    Mismatch {
        /// Key id of the signature.
        signed_by: KeyId,
    },
}

/// A public key that may sign a download server's `sha256sums`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsignPublicKey {
    id: KeyId,
    key: VerifyingKey,
}

impl UsignPublicKey {
    /// Parses a key file, or only its base64 line.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let (id, key) = decode::<32>("public key", text)?;
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| format_error("public key", "it is no point of the curve"))?;
        if key.is_weak() {
            return Err(format_error("public key", "it accepts anybody's signatures"));
        }
        Ok(Self { id, key })
    }

    /// The key without its id.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key id that signatures contain.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl std::str::FromStr for UsignPublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        Self::parse(text)
    }
}

/// Verifies a signature while the content is received, so that unverified content need not be kept in
/// memory.
pub struct Verification {
    signed_by: KeyId,
    candidates: Vec<StreamVerifier>,
}

impl Verification {
    /// Begins the verification with a signature file. All keys with the signature's key id are tried,
    /// so that a second key with the same id does not disable the first.
    ///
    /// # Errors
    /// A malformed signature file, or a signature by a key that is not in `keys`.
    pub fn begin(keys: &[UsignPublicKey], signature: &str) -> Result<Self, SignatureError> {
        let (signed_by, bytes) = decode::<64>("signature", signature)?;
        let signature = Signature::from_bytes(&bytes);
        let mut known = keys.iter().filter(|key| key.id == signed_by).peekable();
        if known.peek().is_none() {
            let trusted = keys.iter().map(UsignPublicKey::id).collect();
            return Err(SignatureError::UnknownKey { signed_by, trusted });
        }
        let candidates = known.filter_map(|key| key.key.verify_stream(&signature).ok()).collect();
        Ok(Self { signed_by, candidates })
    }

    /// Adds the next chunk of the content.
    pub fn update(&mut self, piece: &[u8]) {
        for candidate in &mut self.candidates {
            candidate.update(piece);
        }
    }

    /// The id of the key that signed the content.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`].
    pub fn finish(self) -> Result<KeyId, SignatureError> {
        let signed_by = self.signed_by;
        let fits = |candidate: StreamVerifier| candidate.finalize_and_verify().is_ok();
        if self.candidates.into_iter().any(fits) {
            Ok(signed_by)
        } else {
            Err(SignatureError::Mismatch { signed_by })
        }
    }
}

/// A file of usign with `N` bytes behind the key id.
fn decode<const N: usize>(
    what: &'static str,
    text: &str,
) -> Result<(KeyId, [u8; N]), SignatureError> {
    let file = Usign::parse(text).map_err(|bad| format_error(what, &bad.to_string()))?;
    Ok((file.key_id, file.content))
}

fn format_error(what: &'static str, problem: &str) -> SignatureError {
    SignatureError::Format { what, problem: problem.to_owned() }
}

fn list(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
