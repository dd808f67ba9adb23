//! Entity tags of conditional requests.

use http::{HeaderMap, header};

/// Whether `If-None-Match` names this tag (with its quotes) or any. Weak tags compare by their
/// text, as RFC 9110 §13.1.2 says for this header.
pub fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_tag_matches_itself_weak_or_in_a_list_and_the_star() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            headers
        };
        for good in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(matches(&with(good), "\"a\""), "{good}");
        }
        for bad in ["\"b\"", "a", "\"ab\"", ""] {
            assert!(!matches(&with(bad), "\"a\""), "{bad}");
        }
        assert!(!matches(&HeaderMap::new(), "\"a\""));
    }
}
