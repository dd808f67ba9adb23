//! `.overview.json`: all devices of a version with their names for people.

use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use asu_core::{catalog::Title, request::is_target};

use crate::text::{is_plain_name, is_shown, quoted};

const WHAT: &str = ".overview.json";

/// Maximum size of the file in bytes. OpenWrt's has about 300 KiB.
pub const MAX_BYTES: u64 = 16 << 20;

const MAX_PROFILES: usize = 50_000;
const MAX_TITLES: usize = 64;

/// All devices of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Name of the version, for example `24.10.7`.
    pub release: String,
    /// Its devices, of all targets.
    pub profiles: Vec<OverviewProfile>,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverviewProfile {
    /// Profile id.
    pub id: String,
    /// `target/subtarget`.
    pub target: String,
    /// Names for people.
    pub titles: Vec<Title>,
}

impl Overview {
    /// Reads and checks the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let overview: Self = serde_json::from_slice(bytes)
            .map_err(|error| ParseError::new(WHAT, error.to_string()))?;
        if overview.profiles.len() > MAX_PROFILES {
            return Err(ParseError::new(WHAT, format!("more than {MAX_PROFILES} profiles")));
        }
        if !is_plain_name(&overview.release, 64) {
            let detail = format!("{} is no version", quoted(&overview.release));
            return Err(ParseError::new(WHAT, detail));
        }
        match overview.profiles.iter().find(|profile| !profile.is_good()) {
            Some(bad) => Err(ParseError::new(WHAT, format!("bad profile {}", quoted(&bad.id)))),
            None => Ok(overview),
        }
    }
}

impl OverviewProfile {
    fn is_good(&self) -> bool {
        is_plain_name(&self.id, 128)
            && is_target(&self.target)
            && self.titles.len() <= MAX_TITLES
            && self.titles.iter().flat_map(Title::parts).all(|part| is_shown(part, 200))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_form_is_read() {
        let text = br#"{"release":"23.05.4","profiles":[
            {"id":"huawei_hg253s-v2","target":"bmips/bcm6362",
             "titles":[{"model":"HG253s","variant":"v2","vendor":"Huawei"}]}]}"#;
        let overview = Overview::parse(text).unwrap();
        assert_eq!(overview.profiles[0].titles[0].vendor.as_deref(), Some("Huawei"));
    }

    #[test]
    fn a_bad_profile_is_named() {
        let text = br#"{"release":"1","profiles":[{"id":"a b","target":"x/y","titles":[]}]}"#;
        assert!(Overview::parse(text).unwrap_err().detail.contains("\"a b\""));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Overview::parse(&bytes);
        }
    }
}
