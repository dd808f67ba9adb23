//! SHA-256 digests as values. Written, they are always 64 lower-case hexadecimal digits.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The text is not a SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl Digest {
    /// Digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Digest of a value as JSON, which is not kept in memory.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn of_json(value: &impl Serialize) -> serde_json::Result<Self> {
        let mut writer = std::io::BufWriter::new(Hashing(Sha256::new()));
        serde_json::to_writer(&mut writer, value)?;
        let hashing = writer
            .into_inner()
            .map_err(|error| <serde_json::Error as serde::ser::Error>::custom(error.error()))?;
        Ok(Self::from_hasher(hashing.0))
    }

    /// Takes over a finished hasher.
    pub fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// The digest that these bytes are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hashes what is written to it.
struct Hashing(Sha256);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::str::FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut bytes = [0; 32];
        let whole = text.len() == 64 && HEXLOWER.decode_mut(text.as_bytes(), &mut bytes) == Ok(32);
        if whole { Ok(Self(bytes)) } else { Err(NotADigest) }
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        HEXLOWER.encode(&digest.0)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", HEXLOWER.encode_display(&self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Makes a type of digests of one kind, so that none is taken for another.
macro_rules! digest_of {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            ::serde::Serialize,
            ::serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($crate::digest::Digest);

        impl $name {
            /// The digest of these bytes, for tests.
            pub fn of(bytes: &[u8]) -> Self {
                Self($crate::digest::Digest::of(bytes))
            }

            /// The digest.
            pub const fn digest(&self) -> &$crate::digest::Digest {
                &self.0
            }
        }

        impl From<$crate::digest::Digest> for $name {
            fn from(digest: $crate::digest::Digest) -> Self {
                Self(digest)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::digest::NotADigest;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(crate) use digest_of;

/// Hashes a sequence of fields so that no two different sequences give the same input: each field
/// is preceded by its length, and each group by its number of fields.
#[derive(Debug, Default)]
pub struct FieldHasher(Sha256);

impl FieldHasher {
    /// Starts a form of its own: the domain separates one kind of key from another.
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self::default();
        hasher.field(domain);
        hasher
    }

    /// Adds one field.
    pub fn field(&mut self, value: &str) -> &mut Self {
        self.0.update((value.len() as u64).to_be_bytes());
        self.0.update(value.as_bytes());
        self
    }

    /// Adds a digest, by its digits.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.field(&digest.to_string())
    }

    /// Adds an optional digest.
    pub fn optional_digest(&mut self, digest: Option<&Digest>) -> &mut Self {
        self.optional(digest.map(Digest::to_string).as_deref())
    }

    /// Adds an optional field; absent differs from empty.
    pub fn optional(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            None => self.count(0),
            Some(value) => self.count(1).field(value),
        }
    }

    /// Adds a group of fields.
    pub fn list<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a str>) -> &mut Self {
        self.count(values.len());
        for value in values {
            self.field(value);
        }
        self
    }

    /// Adds the number of fields of a group that follows.
    pub fn count(&mut self, fields: usize) -> &mut Self {
        self.0.update((fields as u64).to_be_bytes());
        self
    }

    /// The digest of all fields.
    pub fn finish(self) -> Digest {
        Digest::from_hasher(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_lower_case_hex_digits_are_a_digest() {
        for bad in ["", "ab", &"A".repeat(64), &"g".repeat(64), &"a".repeat(65)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!("a".repeat(64).parse::<Digest>().is_ok());
    }

    #[test]
    fn the_boundary_between_fields_is_part_of_the_hash() {
        let hash = |fields: &[&str]| {
            let mut hasher = FieldHasher::new("test");
            hasher.list(fields.iter().copied());
            hasher.finish()
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a", ""]), hash(&["a"]));
    }

    #[test]
    fn absent_differs_from_empty() {
        let hash = |value| {
            let mut hasher = FieldHasher::new("test");
            hasher.optional(value);
            hasher.finish()
        };
        assert_ne!(hash(None), hash(Some("")));
    }
}
