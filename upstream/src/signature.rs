//! usign (and signify) public keys and ed25519 signatures, for `sha256sums` and the keys of a
//! Distribution.
//!
//! A file has two lines: `untrusted comment: …` and base64. Layouts (usign's `main.c`, OpenBSD's
//! signify): a public key is `Ed`, 8 bytes key id, 32 bytes key; a signature is `Ed`, 8 bytes key
//! id, 64 bytes ed25519 signature of the raw file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, StreamVerifier, VerifyingKey};

/// Maximum size of a key or signature file in bytes. Real ones have about 150.
const MAX_FILE: usize = 4096;

const ALGORITHM: &[u8] = b"Ed";
const KEY_LENGTH: usize = 42;
const SIGNATURE_LENGTH: usize = 74;

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

/// Eight bytes that identify a key. They only select the key and are not part of the verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl std::fmt::Display for KeyId {
    /// 16 hexadecimal digits, like the file names in an ImageBuilder's `keys/`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
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
        let (id, key) = decode::<32>("public key", text, KEY_LENGTH)?;
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| format_error("public key", "it is no point of the curve"))?;
        if key.is_weak() {
            return Err(format_error("public key", "it accepts anybody's signatures"));
        }
        Ok(Self { id, key })
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
        let (signed_by, bytes) = decode::<64>("signature", signature, SIGNATURE_LENGTH)?;
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

/// Decodes the file of `length` bytes: the key id and the `N` bytes after it.
fn decode<const N: usize>(
    what: &'static str,
    text: &str,
    length: usize,
) -> Result<(KeyId, [u8; N]), SignatureError> {
    let line = base64_line(what, text)?;
    let bytes = STANDARD
        .decode(line)
        .map_err(|error| format_error(what, &format!("its base64 is bad ({error})")))?;
    if bytes.len() != length {
        let problem = format!("it has {} bytes instead of {length}", bytes.len());
        return Err(format_error(what, &problem));
    }
    let (algorithm, rest) = bytes.split_at_checked(2).unwrap_or_default();
    if algorithm != ALGORITHM {
        return Err(format_error(what, "its algorithm is not ed25519"));
    }
    let (id, payload) = rest.split_at_checked(8).unwrap_or_default();
    match (id.try_into(), payload.try_into()) {
        (Ok(id), Ok(payload)) => Ok((KeyId(id), payload)),
        _ => Err(format_error(what, "its length is wrong")),
    }
}

/// The only line that is neither empty nor the comment.
fn base64_line<'a>(what: &'static str, text: &'a str) -> Result<&'a str, SignatureError> {
    if text.len() > MAX_FILE {
        return Err(format_error(what, "it is too long"));
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    if lines.peek().is_some_and(|line| line.starts_with("untrusted comment:")) {
        lines.next();
    }
    let line = lines.next().ok_or_else(|| format_error(what, "it has no base64 line"))?;
    if lines.next().is_some() {
        return Err(format_error(what, "it has more than a comment and a base64 line"));
    }
    Ok(line)
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
