//! `.versions.json`: the releases of a download server.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::client::Upstream;
use crate::error::{ParseError, UpstreamError};
use crate::text::{is_plain_name, quoted};

const WHAT: &str = ".versions.json";

/// Maximum size of the file in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Maximum number of versions. OpenWrt has about 150 after ten years.
const MAX_VERSIONS: usize = 5_000;

/// Maximum length of a version in bytes.
const MAX_VERSION: usize = 64;

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    stable_version: String,
    #[serde(default)]
    oldstable_version: String,
    #[serde(default)]
    upcoming_version: String,
    versions_list: Vec<String>,
}

/// Reads the list of a download server. The heads of branches (snapshots) are not in it.
///
/// # Errors
/// When no mirror has it, or it is malformed.
pub async fn read(upstream: &Upstream) -> Result<Vec<String>, UpstreamError> {
    let document = upstream.document(WHAT, MAX_BYTES).await?;
    parse(&document.bytes).map_err(|error| error.at(&document.url))
}

/// Parses and checks the file. Returns all versions in it, without duplicates.
///
/// # Errors
/// When it is malformed.
pub fn parse(bytes: &[u8]) -> Result<Vec<String>, ParseError> {
    let written: Written =
        serde_json::from_slice(bytes).map_err(|error| ParseError::new(WHAT, error.to_string()))?;
    if written.versions_list.len() > MAX_VERSIONS {
        return Err(ParseError::new(WHAT, format!("more than {MAX_VERSIONS} versions")));
    }
    // A release candidate may be only in its own field, which is an empty string if there is none.
    let named = [written.upcoming_version, written.stable_version, written.oldstable_version];
    let mut all: Vec<String> = named.into_iter().filter(|version| !version.is_empty()).collect();
    all.extend(written.versions_list);
    all.iter().try_for_each(|version| check(version))?;
    let mut seen = BTreeSet::new();
    all.retain(|version| seen.insert(version.clone()));
    Ok(all)
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
    fn duplicates_and_empty_strings_are_left_out() {
        let text = r#"{"stable_version":"25.12.5","oldstable_version":"24.10.8",
            "upcoming_version":"","versions_list":["25.12.5","25.12.0-rc5","24.10.8"],"x":1}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), ["25.12.5", "24.10.8", "25.12.0-rc5"]);
    }

    #[test]
    fn a_candidate_that_is_only_in_its_own_field_is_read() {
        let text = r#"{"upcoming_version":"26.08.0-rc1","versions_list":["25.12.5"]}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), ["26.08.0-rc1", "25.12.5"]);
    }

    #[test]
    fn a_file_with_an_unsafe_version_is_refused() {
        for bad in ["../..", "", "a/b", "a b", &"1".repeat(65)] {
            let text = serde_json::json!({ "versions_list": [bad] }).to_string();
            assert!(parse(text.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
