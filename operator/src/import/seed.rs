//! Typed access to the keys of a configuration. What cannot be used becomes a warning with its place.

use std::collections::BTreeSet;

use serde_yaml::{Mapping, Value};

use super::folder::ImportError;

/// One configuration file, whose unused keys are reported.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// Distribution and file, for messages: `lime/distro_config.yml`.
    pub file: String,
    keys: &'a Mapping,
}

impl<'a> Config<'a> {
    /// The keys of a file.
    pub fn new(file: String, keys: &'a Mapping) -> Self {
        Self { file, keys }
    }

    /// The value of a key, if it is there and not null.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// A text.
    ///
    /// # Errors
    /// When it is another kind of value. A number cannot be accepted: YAML reads 18.10 as 18.1.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, ImportError> {
        self.get(key).map(|value| self.as_text(key, value)).transpose()
    }

    /// A list of texts; absent means empty.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn texts(&self, key: &str) -> Result<Vec<&'a str>, ImportError> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Sequence(values)) => {
                let at = |number| format!("{key}[{number}]");
                values.iter().enumerate().map(|(n, value)| self.as_text(&at(n), value)).collect()
            }
            Some(_) => Err(self.error(format!("{key} must be a list"))),
        }
    }

    /// A mapping with texts as keys; absent means empty.
    ///
    /// # Errors
    /// When it is another kind of value.
    pub fn mapping(&self, key: &str) -> Result<Vec<(&'a str, &'a Value)>, ImportError> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Mapping(mapping)) => {
                mapping.iter().map(|(name, value)| Ok((self.as_text(key, name)?, value))).collect()
            }
            Some(_) => Err(self.error(format!("{key} must have names with values"))),
        }
    }

    /// A truth value; absent means false.
    ///
    /// # Errors
    /// When it is another kind of value.
    pub fn flag(&self, key: &str) -> Result<bool, ImportError> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(format!("{key} must be true or false"))),
        }
    }

    /// A value as text.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn as_text(&self, key: &str, value: &'a Value) -> Result<&'a str, ImportError> {
        match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Err(self.error(format!(
                "{key} is the number {number}, which may have lost a zero: write it in quotes"
            ))),
            _ => Err(self.error(format!("{key} must be a text"))),
        }
    }

    /// A warning for each key that is not known here.
    pub fn unknown(&self, known: &[&str]) -> Vec<String> {
        let known: BTreeSet<&str> = known.iter().copied().collect();
        let names = self.keys.keys().filter_map(Value::as_str);
        names.filter(|name| !known.contains(name)).map(|name| self.no_place(name)).collect()
    }

    /// The warning for a key that has no place in a Distribution.
    pub fn no_place(&self, key: &str) -> String {
        format!("{}: {key} has no place in a Distribution and was left out", self.file)
    }

    /// An error with the file's name.
    pub fn error(&self, message: String) -> ImportError {
        ImportError::Content { file: self.file.clone(), message }
    }
}
