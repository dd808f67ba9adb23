//! The `request_hash` of legacy answers: the request hash, and a digit that says how polls are answered.
//! Clients poll with a bare GET, so everything that an answer depends on must be in the key.

use std::{fmt, str::FromStr};

use crate::request_hash::RequestHash;

/// How a client writes targets, and which URLs it expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Style {
    /// 2018: `target` and `subtarget`; answers contain absolute URLs.
    Split,
    /// 2019: a joined `target`; answers contain paths and a bare file name.
    Joined,
}

/// What a client wants an image for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Any image.
    Build,
    /// An image for `sysupgrade`: without one, the request has failed.
    Upgrade,
}

/// How a build is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manner {
    /// Style of the answer.
    pub style: Style,
    /// Kind of the request.
    pub kind: Kind,
}

impl Manner {
    /// All manners.
    pub const ALL: [Self; 4] = [
        Self { style: Style::Joined, kind: Kind::Build },
        Self { style: Style::Joined, kind: Kind::Upgrade },
        Self { style: Style::Split, kind: Kind::Build },
        Self { style: Style::Split, kind: Kind::Upgrade },
    ];

    fn digit(self) -> char {
        match (self.style, self.kind) {
            (Style::Joined, Kind::Build) => '0',
            (Style::Joined, Kind::Upgrade) => '1',
            (Style::Split, Kind::Build) => '2',
            (Style::Split, Kind::Upgrade) => '3',
        }
    }
}

/// A key: the whole request hash, so that nobody can guess the key of a private build, and one digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Hash of the canonical request.
    pub hash: RequestHash,
    /// How it is answered.
    pub manner: Manner,
}

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is a request hash and a digit")]
pub struct NotAKey;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.hash, self.manner.digit())
    }
}

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (place, digit) = text.char_indices().next_back().ok_or(NotAKey)?;
        let manner = Manner::ALL.into_iter().find(|manner| manner.digit() == digit);
        let hash = text.get(..place).ok_or(NotAKey)?.parse().map_err(|_| NotAKey)?;
        Ok(Self { hash, manner: manner.ok_or(NotAKey)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_of_one_request_differ_by_manner_and_each_is_read_back() {
        let hash = RequestHash::of(b"a");
        let texts: std::collections::BTreeSet<String> =
            Manner::ALL.iter().map(|&manner| Key { hash, manner }.to_string()).collect();
        assert_eq!(texts.len(), 4);
        for manner in Manner::ALL {
            let key = Key { hash, manner };
            assert_eq!(key.to_string().parse(), Ok(key));
            assert_eq!(key.to_string().len(), 65);
        }
    }

    #[test]
    fn a_short_or_foreign_hash_is_no_key() {
        let hash = RequestHash::of(b"a").to_string();
        let upper = format!("{}0", hash.to_uppercase());
        for bad in ["", "0", "07704ea93930", &hash, &format!("{hash}4"), &upper, "é"] {
            assert_eq!(bad.parse::<Key>(), Err(NotAKey), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_written_as_it_was_read(text in "[0-9a-f]{60,66}|.{0,70}") {
            if let Ok(key) = text.parse::<Key>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
