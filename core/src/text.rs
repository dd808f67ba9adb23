//! Character check for names, versions and hosts in requests.

/// Whether `text` has 1 to `max` characters, all of them ASCII letters, digits, `_`, or in `extra`.
pub(crate) fn is_word(text: &str, max: usize, extra: &str) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || extra.contains(c))
}
