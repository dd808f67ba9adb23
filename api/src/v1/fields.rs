//! Reads the fields of a JSON object. Numbers and booleans may be strings, as clients send them. All
//! problems are collected; their texts contain no values.

use serde_json::{Map, Value};

/// Maximum number of entries of a list or object. It is more than any limit of the domain.
const MAX_ENTRIES: usize = 2048;

/// A JSON object that is being read, with the problems so far.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    /// Parses a body as an object.
    ///
    /// # Errors
    /// One sentence if it is not an object.
    pub fn of(body: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { object, problems: Vec::new() }),
            Ok(_) => Err("body: must be a JSON object".to_owned()),
            Err(error) if body.is_empty() || error.is_eof() && body.trim_ascii().is_empty() => {
                Err("body: a JSON object is required".to_owned())
            }
            // Only the position, because the text of the error may contain a part of the body.
            Err(error) => {
                Err(format!("body: not JSON (line {}, column {})", error.line(), error.column()))
            }
        }
    }

    /// Adds a problem.
    pub fn problem(&mut self, field: &str, what: &str) {
        self.problems.push(format!("{field}: {what}"));
    }

    /// Fails if there are problems.
    ///
    /// # Errors
    /// All problems, in the order in which they were found.
    pub fn finish(self) -> Result<(), String> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems.join("; ")) }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.object.get_mut(field).map(Value::take)
    }

    /// A required string.
    pub fn required(&mut self, field: &str) -> String {
        match self.take(field) {
            Some(Value::String(text)) => text,
            Some(_) => self.wrong(field, "must be a string"),
            None => self.wrong(field, "is required"),
        }
    }

    /// An optional string.
    pub fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field) {
            Some(Value::String(text)) => Some(text),
            Some(_) => self.wrong(field, "must be a string"),
            None => None,
        }
    }

    /// An optional string that may be null.
    pub fn nullable_text(&mut self, field: &str) -> Option<String> {
        match self.take(field) {
            Some(Value::String(text)) => Some(text),
            Some(Value::Null) | None => None,
            Some(_) => self.wrong(field, "must be a string or null"),
        }
    }

    /// An optional non-negative integer. It may be null, an empty string, or a number in a string.
    pub fn number(&mut self, field: &str) -> Option<u32> {
        let number = match self.take(field) {
            Some(Value::Null) | None => return None,
            Some(Value::String(text)) if text.trim().is_empty() => return None,
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(Value::Number(number)) => whole(&number),
            Some(_) => None,
        };
        match number.map(u32::try_from) {
            Some(Ok(number)) => Some(number),
            _ => self.wrong(field, "must be a whole number or null"),
        }
    }

    /// An optional boolean. It may be a word or a number.
    pub fn flag(&mut self, field: &str) -> bool {
        let flag = match self.take(field) {
            None => return false,
            Some(Value::Bool(flag)) => Some(flag),
            Some(Value::Number(number)) => match whole(&number) {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            Some(Value::String(word)) => match word.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            },
            Some(_) => None,
        };
        flag.unwrap_or_else(|| self.wrong(field, "must be true or false"))
    }

    /// An optional list of strings.
    pub fn texts(&mut self, field: &str) -> Vec<String> {
        match self.take(field) {
            None => Vec::new(),
            Some(Value::Array(list)) if list.len() > MAX_ENTRIES => {
                self.wrong(field, "has too many entries")
            }
            Some(Value::Array(list)) => {
                let texts: Option<Vec<String>> = list.into_iter().map(text).collect();
                texts.unwrap_or_else(|| self.wrong(field, "must be a list of strings"))
            }
            Some(_) => self.wrong(field, "must be a list of strings"),
        }
    }

    /// An optional object of strings, in the order of the body.
    pub fn pairs(&mut self, field: &str) -> Vec<(String, String)> {
        match self.take(field) {
            None => Vec::new(),
            Some(Value::Object(map)) if map.len() > MAX_ENTRIES => {
                self.wrong(field, "has too many entries")
            }
            Some(Value::Object(map)) => {
                let pairs: Option<Vec<_>> =
                    map.into_iter().map(|(name, value)| Some((name, text(value)?))).collect();
                pairs.unwrap_or_else(|| self.wrong(field, "must be an object of strings"))
            }
            Some(_) => self.wrong(field, "must be an object of strings"),
        }
    }

    fn wrong<T: Default>(&mut self, field: &str, what: &str) -> T {
        self.problem(field, what);
        T::default()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Accepts `300` and `300.0`, but not `300.5`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        // Exact below 2^53, which is above all limits of the domain.
        #[expect(clippy::cast_possible_truncation, reason = "checked on the same line")]
        (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
    })
}
