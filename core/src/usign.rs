//! Files of usign and signify: public keys and signatures of ed25519.
//!
//! Two lines of text: `untrusted comment: …` and base64. Layouts (usign's `main.c`, OpenBSD's
//! signify): `Ed`, 8 bytes key id, then 32 bytes of a public key or 64 of a signature.

use data_encoding::{BASE64, HEXLOWER};

/// Beginning of the first line.
pub const COMMENT: &str = "untrusted comment:";
/// Maximum size of a file in bytes. Real ones have about 150.
const MAX_FILE: usize = 4096;
const ALGORITHM: &[u8] = b"Ed";

/// Eight bytes that identify a key. They only select the key and prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The bytes.
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl From<[u8; 8]> for KeyId {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for KeyId {
    /// 16 hexadecimal digits, as keys are named in an ImageBuilder's `keys/`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// The text is no file of usign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUsign {
    /// More than 4,096 bytes.
    #[error("it is too long")]
    TooLong,
    /// Nothing but a comment.
    #[error("it has no base64 line")]
    NoLine,
    /// Other lines besides the two.
    #[error("it has more than a comment and a base64 line")]
    MoreLines,
    /// The second line is not base64.
    #[error("its base64 is bad ({0})")]
    Base64(data_encoding::DecodeError),
    /// The number of bytes is wrong.
    #[error("it has {has} bytes instead of {expected}")]
    Length {
        /// Number of bytes in the file.
        has: usize,
        /// Expected number of bytes.
        expected: usize,
    },
    /// The algorithm is not ed25519.
    #[error("its algorithm is not ed25519")]
    Algorithm,
}

/// Content of a file: a public key (32 bytes) or a signature (64 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usign<'a, const N: usize> {
    /// Id of the key, or of the key that made the signature.
    pub key_id: KeyId,
    /// The key or signature.
    pub content: [u8; N],
    /// The base64 line.
    pub line: &'a str,
}

impl<'a, const N: usize> Usign<'a, N> {
    /// Reads a file, or its base64 line alone.
    ///
    /// # Errors
    /// Which part of the form it does not have.
    pub fn parse(text: &'a str) -> Result<Self, BadUsign> {
        let line = base64_line(text)?;
        let bytes = BASE64.decode(line.as_bytes()).map_err(BadUsign::Base64)?;
        let expected = N.saturating_add(10);
        let length = BadUsign::Length { has: bytes.len(), expected };
        if bytes.len() != expected {
            return Err(length);
        }
        let rest = bytes.strip_prefix(ALGORITHM).ok_or(BadUsign::Algorithm)?;
        match rest.split_at_checked(8).map(|(id, content)| (id.try_into(), content.try_into())) {
            Some((Ok(id), Ok(content))) => Ok(Self { key_id: KeyId(id), content, line }),
            _ => Err(length),
        }
    }
}

/// The one line that is neither empty nor the comment.
fn base64_line(text: &str) -> Result<&str, BadUsign> {
    if text.len() > MAX_FILE {
        return Err(BadUsign::TooLong);
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    lines.next_if(|line| line.starts_with(COMMENT));
    let line = lines.next().ok_or(BadUsign::NoLine)?;
    match lines.next() {
        None => Ok(line),
        Some(_) => Err(BadUsign::MoreLines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(algorithm: &str, length: usize) -> String {
        let mut bytes = algorithm.as_bytes().to_vec();
        bytes.resize(length, 7);
        BASE64.encode(&bytes)
    }

    #[test]
    fn a_key_file_and_its_base64_line_are_the_same_key() {
        let key = line("Ed", 42);
        let file = format!("untrusted comment: mine\n{key}\n\n");
        let read = Usign::<32>::parse(&file).unwrap();
        assert_eq!(read, Usign::parse(&key).unwrap());
        assert_eq!((read.key_id.to_string().as_str(), read.content), ("0707070707070707", [7; 32]));
        assert_eq!(read.line, key);
    }

    #[test]
    fn malformed_keys_are_refused_with_the_reason() {
        let parse = |text: &str| Usign::<32>::parse(text).unwrap_err();
        assert_eq!(parse(""), BadUsign::NoLine);
        assert_eq!(parse("untrusted comment: mine\n"), BadUsign::NoLine);
        assert_eq!(parse("a\nb"), BadUsign::MoreLines);
        assert_eq!(parse(&"x".repeat(5000)), BadUsign::TooLong);
        assert!(matches!(parse("$(id)"), BadUsign::Base64(_)));
        assert_eq!(parse(&line("Ed", 74)), BadUsign::Length { has: 74, expected: 42 });
        assert_eq!(parse(&line("RW", 42)), BadUsign::Algorithm);
    }
}
