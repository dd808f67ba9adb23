//! Entity tags of conditional requests (RFC 9110 §8.8.3, §13.1.2).

use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use http::HeaderMap;

use crate::error::ApiError;

/// The strong tag with this text: letters, digits and dashes.
///
/// # Errors
/// When the text cannot be a tag.
pub fn entity_tag(text: &str) -> Result<ETag, ApiError> {
    format!("\"{text}\"").parse().map_err(|_| ApiError::Internal)
}

/// Whether a client says in `If-None-Match` that it has the content of this tag.
pub fn is_known(headers: &HeaderMap, etag: &ETag) -> bool {
    headers.typed_get::<IfNoneMatch>().is_some_and(|condition| !condition.precondition_passes(etag))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn a_tag_matches_its_weak_form_lists_that_contain_it_and_the_star() {
        let etag = "\"a\"".parse().unwrap();
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            headers
        };
        for good in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(is_known(&with(good), &etag), "{good}");
        }
        for bad in ["\"b\"", "a", "\"ab\"", ""] {
            assert!(!is_known(&with(bad), &etag), "{bad}");
        }
        assert!(!is_known(&HeaderMap::new(), &etag));
    }
}
