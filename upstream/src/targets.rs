//! `.targets.json`: the targets of a version with their package architectures.

use std::collections::BTreeMap;

use crate::error::ParseError;
use asu_core::names::TargetName;

use crate::text::{is_plain_name, quoted};

const WHAT: &str = ".targets.json";

/// Maximum size of the file in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Maximum number of targets. OpenWrt has about 100.
const MAX_TARGETS: usize = 1_000;

/// Parses and checks the file. Returns the package architecture of each target.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<TargetName, String>, ParseError> {
    let targets: BTreeMap<String, String> =
        serde_json::from_slice(bytes).map_err(|error| ParseError::new(WHAT, error.to_string()))?;
    if targets.len() > MAX_TARGETS {
        return Err(ParseError::new(WHAT, format!("more than {MAX_TARGETS} targets")));
    }
    targets.into_iter().map(entry).collect()
}

fn entry((target, arch): (String, String)) -> Result<(TargetName, String), ParseError> {
    let name = target.parse();
    let name = name.map_err(|_| ParseError::new(WHAT, format!("{} is no target", quoted(&target))));
    if is_plain_name(&arch, 64) {
        return Ok((name?, arch));
    }
    Err(ParseError::new(WHAT, format!("{} is no architecture", quoted(&arch))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_map_to_architectures() {
        let text = br#"{"x86/64":"x86_64","mediatek/filogic":"aarch64_cortex-a53"}"#;
        let targets = parse(text).unwrap();
        assert_eq!(targets["mediatek/filogic"], "aarch64_cortex-a53");
        assert_eq!(targets.len(), 2);
    }

    #[test]
    fn a_file_with_an_unsafe_name_is_refused() {
        for bad in [r#"{"../x":"a"}"#, r#"{"x86":"a"}"#, r#"{"x86/64":"a/b"}"#, "[]", "{}x"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
