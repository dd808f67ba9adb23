//! Reads the fields of a JSON object as clients of 2018 and 2019 send them. Texts of errors contain no
//! values.

use std::collections::BTreeMap;

use asu_core::legacy::key::Style;
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::LegacyError;

/// Maximum number of entries of a list or object. A device has some hundreds of packages.
const MAX_ENTRIES: usize = 4096;

/// A JSON object that is being read.
#[derive(Debug)]
pub struct Object(Map<String, Value>);

/// A target as a client wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedTarget {
    /// Both parts, joined by a slash.
    pub name: String,
    /// How they were written. The answer to a check does not depend on it.
    #[serde(skip)]
    pub style: Style,
}

impl Object {
    /// Parses a body, whatever its content type says.
    ///
    /// # Errors
    /// If it is not a JSON object.
    pub fn of(body: &[u8]) -> Result<Self, LegacyError> {
        let refused = |text: &str| Err(LegacyError::Malformed(text.to_owned()));
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => refused("the body must be a JSON object"),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                refused(&format!("the body is not JSON (line {line}, column {column})"))
            }
        }
    }

    /// A text; `None` if it is absent, null or empty.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn text(&self, field: &str) -> Result<Option<&str>, LegacyError> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong(field, "must be a string")),
        }
    }

    /// The exact text of a script; `None` if it is absent, null or empty.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn script(&mut self, field: &str) -> Result<Option<String>, LegacyError> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong(field, "must be a string")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// If it is absent or of another type.
    pub fn required(&self, field: &'static str) -> Result<&str, LegacyError> {
        self.text(field)?.ok_or(LegacyError::Missing(field))
    }

    /// The target, joined or in two fields; `None` if it is absent.
    ///
    /// # Errors
    /// If a part is missing or of another type.
    pub fn target(&self) -> Result<Option<AskedTarget>, LegacyError> {
        let (target, subtarget) = (self.text("target")?, self.text("subtarget")?);
        let style = if subtarget.is_some() { Style::Split } else { Style::Joined };
        let name = match (target, subtarget) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(LegacyError::Missing("target")),
            (Some(joined), _) if joined.contains('/') => joined.to_owned(),
            (Some(board), Some(subtarget)) => format!("{board}/{subtarget}"),
            (Some(_), None) => return Err(LegacyError::Missing("subtarget")),
        };
        Ok(Some(AskedTarget { name, style }))
    }

    /// Names of packages: a list, or the keys of an object. Absent, null and empty mean the same.
    ///
    /// # Errors
    /// If it is of another type or too long.
    pub fn names(&mut self, field: &str) -> Result<Vec<String>, LegacyError> {
        let names = match self.0.remove(field) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) if text.trim().is_empty() => Vec::new(),
            Some(Value::Object(map)) => map.into_iter().map(|(name, _)| name).collect(),
            Some(Value::Array(list)) => list
                .into_iter()
                .map(|name| match name {
                    Value::String(name) => Ok(name),
                    _ => Err(wrong(field, "must contain only strings")),
                })
                .collect::<Result<Vec<_>, _>>()?,
            Some(_) => return Err(wrong(field, "must be a list or an object")),
        };
        match names.len() {
            0..=MAX_ENTRIES => Ok(names),
            _ => Err(wrong(field, &format!("may have at most {MAX_ENTRIES} entries"))),
        }
    }

    /// Versions by name of the package; `None` if the field is absent, null or empty.
    ///
    /// # Errors
    /// If it is of another type or too long.
    pub fn versions(
        &mut self,
        field: &str,
    ) -> Result<Option<BTreeMap<String, String>>, LegacyError> {
        let map = match self.0.remove(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(list)) if list.is_empty() => return Ok(None),
            Some(Value::Object(map)) if map.len() > MAX_ENTRIES => {
                return Err(wrong(field, &format!("may have at most {MAX_ENTRIES} entries")));
            }
            Some(Value::Object(map)) => map,
            Some(_) => return Err(wrong(field, "must be an object of names and versions")),
        };
        let one = |(name, version)| match version {
            Value::String(version) => Ok((name, version)),
            _ => Err(wrong(field, "must be an object of names and versions")),
        };
        let versions = map.into_iter().map(one).collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Some(versions).filter(|versions| !versions.is_empty()))
    }

    /// A switch: a boolean, a number, or a text. Texts other than `1` and `true` are off, because LuCI
    /// sends the word `undefined`.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn flag(&self, field: &str) -> Result<bool, LegacyError> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::Number(number)) => Ok(number.as_f64() != Some(0.0)),
            Some(Value::String(text)) => Ok(["1", "true"].contains(&text.trim())),
            Some(_) => Err(wrong(field, "must be 0 or 1")),
        }
    }
}

fn wrong(field: &str, what: &str) -> LegacyError {
    LegacyError::Malformed(format!("{field}: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Object {
        Object::of(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_subtarget_marks_the_clients_of_2018() {
        let target = |value| object(&value).target();
        let joined = Some(AskedTarget { name: "ath79/generic".into(), style: Style::Joined });
        let split = Some(AskedTarget { name: "ath79/generic".into(), style: Style::Split });
        assert_eq!(target(json!({"target": "ath79/generic"})).unwrap(), joined);
        assert_eq!(target(json!({"target": "ath79", "subtarget": "generic"})).unwrap(), split);
        assert_eq!(target(json!({"target": "ath79/generic", "subtarget": "x"})).unwrap(), split);
        assert_eq!(target(json!({})).unwrap(), None);
        assert!(matches!(
            target(json!({"target": "ath79"})),
            Err(LegacyError::Missing("subtarget"))
        ));
        assert!(matches!(target(json!({"subtarget": "x"})), Err(LegacyError::Missing("target"))));
    }

    #[test]
    fn packages_are_a_list_or_an_object_and_empty_ones_are_absent() {
        for empty in [json!([]), json!(""), json!(null), json!({})] {
            assert!(object(&json!({"packages": empty})).names("packages").unwrap().is_empty());
            assert_eq!(
                object(&json!({"installed": empty})).versions("installed").ok().flatten(),
                None
            );
        }
        for given in [json!(["b", "a"]), json!({"b": "1", "a": null})] {
            assert_eq!(object(&json!({"packages": given})).names("packages").unwrap(), ["b", "a"]);
        }
        for wrong in [json!([1]), json!(1), json!("luci"), json!(true), json!([["a"]])] {
            assert!(object(&json!({"packages": wrong})).names("packages").is_err());
        }
        let many: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        assert!(object(&json!({"packages": many})).names("packages").is_err());
    }

    #[test]
    fn a_switch_is_on_by_value_not_by_presence() {
        for (value, on) in [
            (json!(1), true),
            (json!(true), true),
            (json!("1"), true),
            (json!("true"), true),
            (json!(0), false),
            (json!("0"), false),
            (json!("undefined"), false),
            (json!(null), false),
            (json!(""), false),
        ] {
            assert_eq!(object(&json!({"u": value})).flag("u").unwrap(), on, "{value}");
        }
        assert!(!object(&json!({})).flag("u").unwrap());
        assert!(object(&json!({"u": []})).flag("u").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_an_object_or_400_without_their_values(text in "[a-z]{12,30}") {
            for body in [text.clone(), format!("[\"{text}\"]"), format!("{{\"{text}\": {text}")] {
                let error = Object::of(body.as_bytes()).unwrap_err();
                prop_assert_eq!(error.status(), 400);
                let shown = format!("{error:?}");
                prop_assert!(!shown.contains(&text));
            }
            let object = object(&json!({"target": [&text], "subtarget": {&text: 1}}));
            let shown = format!("{:?}", object.target().unwrap_err());
            prop_assert!(!shown.contains(&text));
        }
    }
}
