//! Parser for `feeds.conf`, the list of the feeds of an architecture. Lines are `src-git <name>
//! <url>^<commit>`; only the name is used.

use crate::{
    error::ParseError,
    text::{is_plain_name, quoted},
};

const WHAT: &str = "feeds.conf";

/// Maximum size of the file in bytes.
pub(crate) const MAX_BYTES: u64 = 64 << 10;

/// Maximum number of feeds. OpenWrt has seven.
const MAX_FEEDS: usize = 64;

/// Maximum length of a feed's name in bytes.
const MAX_NAME: usize = 64;

/// Parses and checks the file. Returns the names of the feeds in their order, without duplicates.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<String>, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::new(WHAT, "not UTF-8"))?;
    let mut feeds: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split_whitespace().nth(1);
        let Some(name) = name.filter(|name| is_plain_name(name, MAX_NAME)) else {
            return Err(ParseError::new(WHAT, format!("{} names no feed", quoted(line))));
        };
        if !feeds.iter().any(|known| known == name) {
            feeds.push(name.to_owned());
        }
        if feeds.len() > MAX_FEEDS {
            return Err(ParseError::new(WHAT, format!("more than {MAX_FEEDS} feeds")));
        }
    }
    Ok(feeds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_feed_is_the_second_word_of_a_line() {
        let text = "src-git base https://git.example/x.git^0\n\n# src-git old y\r\n\
                    src-git-full luci https://git.example/luci.git;branch\n\
                    src-git base again\n";
        assert_eq!(parse(text.as_bytes()).unwrap(), ["base", "luci"]);
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn a_file_with_an_unsafe_name_is_refused() {
        for bad in ["src-git ../x y", "src-git", "<html>", "a .b", "a -b", "a b/c", "a é"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(format!("a {}", "x".repeat(1 << 20)).as_bytes()).is_err());
        assert!(parse(b"\xff").is_err());
    }

    #[test]
    fn the_number_of_feeds_is_limited() {
        let lines: Vec<_> = (0..=MAX_FEEDS).map(|number| format!("src-git f{number}")).collect();
        let text = lines.join("\n");
        assert!(parse(text.as_bytes()).unwrap_err().detail.contains("more than 64"));
    }

    proptest! {
        #[test]
        fn every_name_is_plain(text in "(.{0,9} .{0,9}\n){0,4}") {
            for name in parse(text.as_bytes()).unwrap_or_default() {
                prop_assert!(is_plain_name(&name, MAX_NAME));
            }
        }
    }
}
