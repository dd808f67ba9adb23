//! Fields of a JSON object, read as leniently as clients need: numbers and booleans in strings.
//! Every problem is noted, none repeats a value.

use serde_json::{Map, Value};

/// Maximum number of entries of a list or object: more than any bound of the domain.
const MAX_ENTRIES: usize = 2048;

/// A JSON object that is being read, with what is wrong so far.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    /// Reads the object of a body.
    ///
    /// # Errors
    /// One sentence when it is none.
    pub fn of(body: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { object, problems: Vec::new() }),
            Ok(_) => Err("body: must be a JSON object".to_owned()),
            Err(error) if body.is_empty() || error.is_eof() && body.trim_ascii().is_empty() => {
                Err("body: a JSON object is required".to_owned())
            }
            // Only the place: the text of the error may repeat a part of the body.
            Err(error) => {
                Err(format!("body: not JSON (line {}, column {})", error.line(), error.column()))
            }
        }
    }

    /// Notes a problem.
    pub fn problem(&mut self, field: &str, what: &str) {
        self.problems.push(format!("{field}: {what}"));
    }

    /// What is wrong, in the order it was noted.
    ///
    /// # Errors
    /// When there is anything.
    pub fn finish(self) -> Result<(), String> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems.join("; ")) }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.object.get_mut(field).map(Value::take)
    }

    /// A string that must be there.
    pub fn required(&mut self, field: &str) -> String {
        match self.take(field) {
            Some(Value::String(text)) => text,
            Some(_) => self.wrong(field, "must be a string"),
            None => self.wrong(field, "is required"),
        }
    }

    /// A string that may be missing.
    pub fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field) {
            Some(Value::String(text)) => Some(text),
            Some(_) => self.wrong(field, "must be a string"),
            None => None,
        }
    }

    /// A string that may be missing or null.
    pub fn nullable_text(&mut self, field: &str) -> Option<String> {
        match self.take(field) {
            Some(Value::String(text)) => Some(text),
            Some(Value::Null) | None => None,
            Some(_) => self.wrong(field, "must be a string or null"),
        }
    }

    /// A whole number of at least 0 that may be missing, null, empty, or in a string.
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

    /// A boolean that may be missing, or a word or number that stands for one.
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

    /// A list of strings that may be missing.
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

    /// An object of strings that may be missing, in the order sent.
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

/// `300` and `300.0`, not `300.5`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        // Exact below 2^53, and no bound of the domain is near that.
        #[expect(clippy::cast_possible_truncation, reason = "checked on the same line")]
        (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
    })
}
