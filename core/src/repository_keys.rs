//! Parses public keys of a request's repositories: usign keys for opkg, PEM keys for apk. Used when a
//! request is validated, and by the builder. Keys are decoded completely, so that only valid keys pass,
//! and two spellings of the same key are equal.

use data_encoding::BASE64;

use crate::usign::{COMMENT, Usign};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// Number of base64 digits in a line of a PEM text.
const PEM_LINE: usize = 64;

const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// OIDs of curves, and the length in bytes of a coordinate: prime256v1, secp384r1, secp521r1.
const CURVES: [(&[u8], usize); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], 32),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], 48),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], 66),
];

/// A valid public key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepositoryKey {
    /// A usign key, for opkg.
    Usign {
        /// Name of its file in `keys/`: the key id in hexadecimal digits.
        fingerprint: String,
        /// The base64 line of the key file.
        line: String,
    },
    /// A PEM key, for apk.
    Pem {
        /// The whole PEM text, with base64 lines of 64 digits.
        text: String,
    },
}

/// The text is not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRepositoryKey {
    /// The text has neither of the two formats.
    #[error("it is neither a usign public key nor a PEM text that begins with '{BEGIN}'")]
    Form,
    /// The text is PEM, but does not contain a key that apk supports.
    #[error("its PEM text holds no EC, RSA or Ed25519 public key")]
    Pem,
}

impl RepositoryKey {
    /// Parses a key as sent by clients: a key file with or without its comment, or the base64 line.
    ///
    /// # Errors
    /// When the text is not a key.
    pub fn parse(text: &str) -> Result<Self, BadRepositoryKey> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.first() == Some(&BEGIN) {
            let der = pem(&lines).filter(|der| is_public_key(der).is_some());
            return der.map(|der| Self::Pem { text: pem_text(&der) }).ok_or(BadRepositoryKey::Pem);
        }
        let key = Usign::<32>::parse(text).map_err(|_| BadRepositoryKey::Form)?;
        Ok(Self::Usign { fingerprint: key.key_id.to_string(), line: key.line.to_owned() })
    }

    /// The canonical spelling of this key, as in canonical requests.
    pub fn spelled(&self) -> &str {
        match self {
            Self::Usign { line, .. } => line,
            Self::Pem { text } => text,
        }
    }

    /// Content of the key's file in `keys/`.
    pub fn file(&self) -> String {
        match self {
            Self::Usign { fingerprint, line } => format!("{COMMENT} {fingerprint}\n{line}\n"),
            Self::Pem { text } => text.clone(),
        }
    }
}

/// The bytes of a PEM text of one block.
fn pem(lines: &[&str]) -> Option<Vec<u8>> {
    let [BEGIN, body @ .., END] = lines else { return None };
    BASE64.decode(body.concat().as_bytes()).ok()
}

fn pem_text(der: &[u8]) -> String {
    let mut digits = BASE64.encode(der);
    let mut body = String::new();
    while digits.len() > PEM_LINE {
        let rest = digits.split_off(PEM_LINE);
        body = body + &digits + "\n";
        digits = rest;
    }
    format!("{BEGIN}\n{body}{digits}\n{END}\n")
}

/// Checks that the bytes are one `SubjectPublicKeyInfo` (RFC 5280) with a supported key, and nothing
/// else. `None` when they are not.
fn is_public_key(der: &[u8]) -> Option<()> {
    let info = only(0x30, der)?;
    let (algorithm, rest) = element(0x30, info)?;
    let key = only(0x03, rest)?.strip_prefix(&[0])?;
    let (oid, parameters) = element(0x06, algorithm)?;
    let good = match oid {
        EC => {
            let curve = only(0x06, parameters)?;
            let (_, size) = CURVES.iter().find(|(oid, _)| *oid == curve)?;
            match key.split_first()? {
                (0x04, point) => point.len() == size.saturating_mul(2),
                (0x02 | 0x03, point) => point.len() == *size,
                _ => false,
            }
        }
        RSA => {
            let (modulus, exponent) = element(0x02, only(0x30, key)?)?;
            // At least 1,024 bits.
            modulus.len() >= 128 && !only(0x02, exponent)?.is_empty()
        }
        ED25519 => key.len() == 32,
        _ => false,
    };
    good.then_some(())
}

/// The content of the DER element with this tag, if `bytes` contains nothing else.
fn only(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    let (content, rest) = element(tag, bytes)?;
    rest.is_empty().then_some(content)
}

/// The content of the DER element with this tag at the start of `bytes`, and the bytes after it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (&one, rest) = rest.split_first()?;
            (usize::from(one), rest)
        }
        0x82 => {
            let (two, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*two)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key like those of apk repositories, created with `openssl ecparam -name prime256v1 -genkey`.
    pub(crate) const EC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEV6f4BwP98BDEDkuG43CuTqdGP2rH\nrRhxmhFwra1esT92MZcHPQNaFqraEiP2LEyQB26w+HUYfa9g4OoR8u5JXg==\n-----END PUBLIC KEY-----\n";

    /// A usign key with this key id.
    pub(crate) fn usign_key(id: u8, key: u8) -> String {
        BASE64.encode(&[b"Ed".as_slice(), &[id; 8], &[key; 32]].concat())
    }

    #[test]
    fn comments_and_line_endings_do_not_change_a_key() {
        let line = usign_key(1, 9);
        let key = RepositoryKey::parse(&line).unwrap();
        assert_eq!(key.spelled(), line);
        let text = format!("untrusted comment: mine\r\n{line}\r\n\r\n");
        assert_eq!(RepositoryKey::parse(&text), Ok(key.clone()));
        assert_eq!(key.file(), format!("untrusted comment: 0101010101010101\n{line}\n"));
        let pem = RepositoryKey::parse(EC_KEY).unwrap();
        assert_eq!(pem.spelled(), EC_KEY);
        let one_line = EC_KEY.replace("P2rH\n", "P2rH").replace('\n', "\r\n");
        assert_eq!(RepositoryKey::parse(&one_line), Ok(pem));
    }

    #[test]
    fn texts_other_than_public_keys_are_refused() {
        let line = usign_key(1, 9);
        let body = EC_KEY.lines().nth(1).unwrap();
        for bad in [
            "this is no key".to_owned(),
            String::new(),
            "untrusted comment: alone".to_owned(),
            format!("{line}\n{line}"),
            line.chars().skip(4).collect(),
            line.replacen("RW", "QQ", 1),
            format!("{BEGIN}\nAA==\n{END}\n"),
            format!("{BEGIN}\n{body}\n{END}\n"),
            format!("{EC_KEY}{EC_KEY}"),
            EC_KEY.replace("PUBLIC", "PRIVATE"),
            EC_KEY.replace("PUBLIC KEY", "CERTIFICATE"),
            EC_KEY.replace(END, ""),
            format!("{BEGIN}\n../../etc/passwd\n{END}"),
        ] {
            assert!(RepositoryKey::parse(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_text_of_a_key_parses_to_the_same_key(id in any::<u8>(), key in any::<u8>()) {
            let key = RepositoryKey::parse(&usign_key(id, key)).unwrap();
            prop_assert_eq!(RepositoryKey::parse(key.spelled()), Ok(key.clone()));
            prop_assert_eq!(RepositoryKey::parse(&key.file()), Ok(key));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "(?s).{0,100}", der in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = RepositoryKey::parse(&text);
            let _ = RepositoryKey::parse(&pem_text(&der));
        }
    }
}
