//! Checks of short texts from a download server: whether they are safe to show, to store, and to use
//! in paths.

/// Whether `text` is a plain name: 1 to `max` ASCII letters, digits and `. _ + -`, not starting with
/// a dot or a dash. Such a name is safe as a file name and as a component of a URL's path.
pub fn is_plain_name(text: &str, max: usize) -> bool {
    !text.is_empty()
        && text.len() <= max
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

/// Whether `text` may be shown to users: at most `max` characters, none of them a control character.
pub fn is_shown(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.chars().any(char::is_control)
}

/// `text` for a message: at most 80 characters, quoted, control characters escaped.
pub fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_leave_no_folder_and_start_no_option() {
        for good in ["openwrt-24.10.7_x", "r29197+3-ab", "8dev_carambola2", "a"] {
            assert!(is_plain_name(good, 64), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "-rf", ".hidden", "a b", "ä", "a\n", "a%2e", "a?b"] {
            assert!(!is_plain_name(bad, 64), "{bad}");
        }
        assert!(!is_plain_name("abc", 2));
    }
}
