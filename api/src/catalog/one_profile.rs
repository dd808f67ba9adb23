//! Reads one profile and the fields of its target from a `profiles.json`. The other profiles, of which
//! there may be hundreds, are skipped and not kept in memory.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// Returns the fields of the target, overridden by the fields of the profile; `None` if the file has no
/// such profile.
///
/// # Errors
/// If the file is not a `profiles.json`.
pub(super) fn read(bytes: &[u8], id: &str) -> serde_json::Result<Option<Map<String, Value>>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let (mut target, profile) = deserializer.deserialize_map(OfFile { id })?;
    deserializer.end()?;
    Ok(profile.map(|profile| {
        target.extend(profile);
        target
    }))
}

type Read = (Map<String, Value>, Option<Map<String, Value>>);

struct OfFile<'a> {
    id: &'a str,
}

impl<'de> Visitor<'de> for OfFile<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let (mut target, mut profile) = (Map::new(), None);
        while let Some(key) = map.next_key::<String>()? {
            if key == "profiles" {
                profile = map.next_value_seed(OfProfiles { id: self.id })?;
            } else {
                target.insert(key, map.next_value()?);
            }
        }
        Ok((target, profile))
    }
}

struct OfProfiles<'a> {
    id: &'a str,
}

impl<'de> DeserializeSeed<'de> for OfProfiles<'_> {
    type Value = Option<Map<String, Value>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfProfiles<'_> {
    type Value = Option<Map<String, Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of profiles")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(id) = map.next_key::<String>()? {
            if id == self.id {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_has_the_fields_of_its_target_and_its_own() {
        let text = r#"{"metadata_version":1,"version_code":"r1-aa","source_date_epoch":"1744562312",
            "profiles":{"b":{},"a":{"images":[{"name":"x"}],"version_code":"r2-bb"}},
            "git_commit":"abc","linux_kernel":{"version":"6.6"}}"#;
        let found = read(text.as_bytes(), "a").unwrap().unwrap();
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            json!({
                "metadata_version": 1, "version_code": "r2-bb", "source_date_epoch": "1744562312",
                "git_commit": "abc", "linux_kernel": {"version": "6.6"}, "images": [{"name": "x"}],
            })
            .to_string()
        );
        assert_eq!(read(text.as_bytes(), "c").unwrap(), None);
        assert_eq!(read(b"{}", "a").unwrap(), None);
    }

    #[test]
    fn a_file_in_another_format_is_an_error() {
        for bad in ["", "[]", "{", "{}x", r#"{"profiles":[]}"#, r#"{"profiles":{"a":1}}"#] {
            assert!(read(bad.as_bytes(), "a").is_err(), "{bad}");
        }
    }
}
