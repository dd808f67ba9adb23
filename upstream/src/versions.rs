//! `.versions.json`: the releases of a download server.

use serde::Deserialize;

use crate::error::ParseError;
use crate::text::{is_plain_name, quoted};

const WHAT: &str = ".versions.json";

/// Maximum size of the file in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Maximum number of versions. OpenWrt has about 150 after ten years.
const MAX_VERSIONS: usize = 5_000;

/// Maximum length of a version in bytes.
const MAX_VERSION: usize = 64;

/// The releases of a download server. Development and branch snapshots are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The current stable release.
    pub stable: Option<String>,
    /// The previous release that is still maintained.
    pub oldstable: Option<String>,
    /// The current release candidate.
    pub upcoming: Option<String>,
    /// All releases, as listed: newest first.
    pub all: Vec<String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    stable_version: String,
    #[serde(default)]
    oldstable_version: String,
    #[serde(default)]
    upcoming_version: String,
    versions_list: Vec<String>,
}

impl Versions {
    /// Parses and checks the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| ParseError::new(WHAT, error.to_string()))?;
        if raw.versions_list.len() > MAX_VERSIONS {
            return Err(ParseError::new(WHAT, format!("more than {MAX_VERSIONS} versions")));
        }
        for version in &raw.versions_list {
            check(version)?;
        }
        Ok(Self {
            stable: optional(raw.stable_version)?,
            oldstable: optional(raw.oldstable_version)?,
            upcoming: optional(raw.upcoming_version)?,
            all: raw.versions_list,
        })
    }
}

/// A version, or `None` for the empty string.
fn optional(version: String) -> Result<Option<String>, ParseError> {
    if version.is_empty() {
        return Ok(None);
    }
    check(&version)?;
    Ok(Some(version))
}

fn check(version: &str) -> Result<(), ParseError> {
    if is_plain_name(version, MAX_VERSION) {
        return Ok(());
    }
    Err(ParseError::new(WHAT, format!("{} is no version", quoted(version))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_string_is_no_version() {
        let text = r#"{"stable_version":"25.12.5","oldstable_version":"24.10.8",
            "upcoming_version":"","versions_list":["25.12.5","25.12.0-rc5","24.10.8"],"x":1}"#;
        let versions = Versions::parse(text.as_bytes()).unwrap();
        assert_eq!(versions.stable.as_deref(), Some("25.12.5"));
        assert_eq!(versions.oldstable.as_deref(), Some("24.10.8"));
        assert_eq!(versions.upcoming, None);
        assert_eq!(versions.all, ["25.12.5", "25.12.0-rc5", "24.10.8"]);
    }

    #[test]
    fn a_version_that_is_no_plain_name_spoils_the_file() {
        for bad in ["../..", "", "a/b", "a b", &"1".repeat(65)] {
            let text = serde_json::json!({ "versions_list": [bad] }).to_string();
            assert!(Versions::parse(text.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Versions::parse(&bytes);
        }
    }
}
