//! Conversion of text and JSON for columns, and errors for columns that cannot be read.

use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::StoreError;

/// Replaces the NUL character, which Postgres cannot store in text and jsonb.
const REPLACEMENT: char = '\u{fffd}';

/// The text with NUL characters replaced.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', REPLACEMENT.encode_utf8(&mut [0; 4]))
}

/// The value as JSON with NUL characters replaced.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value)
        .map(without_nul)
        .map_err(|error| StoreError::Conflict(error.to_string()))
}

fn without_nul(value: Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(&string)),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (text(&key), without_nul(value))).collect()
        }
        other => other,
    }
}

/// A column of a row, to report that its value cannot be read.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: &'a str,
}

impl Column<'_> {
    /// Another column of the same row.
    pub(crate) fn named(self, column: &'static str) -> Self {
        Self { column, ..self }
    }

    /// The error that the column's value cannot be read.
    pub(crate) fn bad(self, problem: impl std::fmt::Display) -> StoreError {
        StoreError::Inconsistent {
            table: self.table,
            column: self.column,
            row: self.row.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// Deserializes a JSON column.
    pub(crate) fn json<T: DeserializeOwned>(self, value: Value) -> Result<T, StoreError> {
        serde_json::from_value(value).map_err(|error| self.bad(error))
    }

    /// Parses a name or a digest.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(
        self,
        text: &str,
    ) -> Result<T, StoreError> {
        text.parse().map_err(|error| self.bad(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_characters_are_replaced_at_every_depth() {
        let hostile = json!({"a\0": ["b\0", {"c": "\0"}], "n": 1});
        let clean = json!({"a\u{fffd}": ["b\u{fffd}", {"c": "\u{fffd}"}], "n": 1});
        assert_eq!(to_json(&hostile).unwrap(), clean);
    }
}
