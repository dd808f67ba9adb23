//! Words of which names, versions and hosts are made.

/// Whether `text` has one to `max` characters: ASCII letters and digits, `_`, and those of `extra`.
pub(crate) fn is_word(text: &str, max: usize, extra: &str) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || extra.contains(c))
}
