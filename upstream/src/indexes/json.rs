//! Parser for `index.json` of a package folder.
//!
//! Version 2 (since OpenWrt 24.10.2, and of apk) lists packages without ABI suffix. Version 1, which
//! has no key `version`, lists them as `Packages` does, with the suffix.

use std::fmt;

use asu_core::package_index::{MAX_PACKAGES, Package};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::Collected;
use crate::{error::ParseError, text::is_plain_name, text::quoted};

const WHAT: &str = "index.json";

/// First version of the format that has no ABI suffixes.
const WITHOUT_SUFFIX: u64 = 2;

/// The file.
#[derive(Debug)]
pub(crate) struct JsonIndex {
    /// Its packages.
    pub(crate) collected: Collected,
    /// Whether the names have no ABI suffix.
    pub(crate) is_without_suffix: bool,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    version: u64,
    architecture: String,
    packages: Pairs,
}

/// The entries of an object in their order, including duplicate keys.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of versions by package name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            if pairs.len() >= MAX_PACKAGES {
                return Err(A::Error::custom(format!("more than {MAX_PACKAGES} packages")));
            }
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// Parses and checks the file.
pub(crate) fn parse(bytes: &[u8]) -> Result<JsonIndex, ParseError> {
    let raw: Raw =
        serde_json::from_slice(bytes).map_err(|error| ParseError::new(WHAT, error.to_string()))?;
    if !is_plain_name(&raw.architecture, 64) {
        let detail = format!("{} is no architecture", quoted(&raw.architecture));
        return Err(ParseError::new(WHAT, detail));
    }
    let mut collected = Collected::new(WHAT, &raw.architecture);
    for (name, version) in raw.packages.0 {
        collected.add(&name, Package::of_version(version))?;
    }
    Ok(JsonIndex { collected, is_without_suffix: raw.version >= WITHOUT_SUFFIX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parsed(value: &Value) -> Result<JsonIndex, ParseError> {
        parse(value.to_string().as_bytes())
    }

    #[test]
    fn version_2_has_names_without_suffix_and_version_1_with_it() {
        let packages = json!({"base-files": "1704~f5dae5ece4", "libgcc": "13.3.0-r4"});
        let two = json!({"version": 2, "architecture": "mips_24kc", "packages": packages});
        let one = json!({"architecture": "mips_24kc", "packages": packages});
        let (two, one) = (parsed(&two).unwrap(), parsed(&one).unwrap());
        assert!(two.is_without_suffix && !one.is_without_suffix);
        assert_eq!(two.collected.index, one.collected.index);
        assert_eq!(two.collected.index.versions()["base-files"], "1704~f5dae5ece4");
        assert_eq!(two.collected.index.architecture, "mips_24kc");
    }

    #[test]
    fn the_higher_version_of_a_duplicate_package_is_kept() {
        for packages in [r#"{"a":"1.10","a":"1.9"}"#, r#"{"a":"1.9","a":"1.10"}"#] {
            let text = format!(r#"{{"version":2,"architecture":"x","packages":{packages}}}"#);
            assert_eq!(parse(text.as_bytes()).unwrap().collected.index.versions()["a"], "1.10");
        }
    }

    #[test]
    fn an_invalid_entry_is_left_out_and_the_others_are_read() {
        let value = json!({"version": 2, "architecture": "x", "packages": {
            "../x": "1", "b": "$(id)", "good": "1", "n".repeat(1 << 20): "1",
        }});
        let collected = parsed(&value).unwrap().collected;
        assert_eq!(collected.index.versions(), [("good", "1")].into());
        let said = collected.left_out().unwrap().detail;
        assert!(said.contains("../x") && said.ends_with("and 2 more"), "{said}");
    }

    #[test]
    fn a_file_in_another_format_is_an_error() {
        for bad in [
            "",
            "<html><a href=\"x\">index.json</a></html>",
            "[]",
            "{}",
            "null",
            r#"{"version":2,"architecture":"x","packages":{"a":"1""#,
            r#"{"version":2,"architecture":"x","packages":{"a":1}}"#,
            r#"{"version":2,"architecture":"../x","packages":{}}"#,
            r#"{"version":2,"packages":{}}"#,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endless_index_is_refused_while_it_is_parsed() {
        let many: Vec<_> = (0..=MAX_PACKAGES).map(|n| format!(r#""p{n}":"1""#)).collect();
        let many = many.join(",");
        let text = format!(r#"{{"architecture":"x","packages":{{{many}}}}}"#);
        assert!(parse(text.as_bytes()).unwrap_err().detail.contains("more than 100000 packages"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn every_name_and_version_that_is_read_is_valid(name in ".{0,12}", version in ".{0,12}") {
            let value = json!({"version": 2, "architecture": "x", "packages": {name: version}});
            for (name, package) in parsed(&value).unwrap().collected.index.packages() {
                prop_assert!(name.parse::<asu_core::names::PackageSpec>().is_ok());
                prop_assert!(asu_core::request::is_package_version(&package.version));
            }
        }
    }
}
