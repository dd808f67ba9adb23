//! The number of entries that a query asks for.

use crate::error::ApiError;

/// The number in a query, at most `max`.
///
/// # Errors
/// If it is not a number from zero on.
pub fn number(text: Option<&str>, default: usize, max: u32) -> Result<usize, ApiError> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(default.min(max)),
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            // More digits than a number can have are a number that is too large.
            Ok(text.parse().unwrap_or(max).min(max))
        }
        Some(_) => Err(ApiError::Fields("n: must be a number from 0 on".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_bounded_and_anything_else_is_refused() {
        for (text, expected) in
            [(None, 30), (Some(""), 30), (Some("0"), 0), (Some("7"), 7), (Some("101"), 100)]
        {
            assert_eq!(number(text, 30, 100).unwrap(), expected, "{text:?}");
        }
        assert_eq!(number(Some("99999999999999999999999"), 30, 100).unwrap(), 100);
        for bad in ["-1", "x", "1.5", "0x1", "१"] {
            assert_eq!(number(Some(bad), 30, 100).unwrap_err().status(), 422, "{bad}");
        }
    }
}
