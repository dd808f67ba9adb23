//! The id under which a request is found in the logs of everything that it passed: that of the proxy
//! before us, or a new one.

use axum::extract::Request;
use http::{HeaderMap, HeaderName};
use tower_http::request_id::RequestId;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of an id that is taken over.
const MAX_LENGTH: usize = 64;

/// Removes an id that is not plain: it goes into the log and into the answer.
pub fn remove_unless_plain(headers: &mut HeaderMap) {
    let plain = headers.get(HEADER).is_none_or(|id| {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
        id.len() <= MAX_LENGTH && id.as_bytes().iter().all(allowed)
    });
    if !plain {
        headers.remove(HEADER);
    }
}

/// The id of a request.
pub fn of(request: &Request) -> Option<RequestId> {
    request.extensions().get::<RequestId>().cloned()
}

/// The text of an id; empty without one.
pub fn text(id: Option<&RequestId>) -> &str {
    id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_short_plain_id_is_taken_over() {
        let kept = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(id).unwrap());
            remove_unless_plain(&mut headers);
            headers.contains_key(HEADER)
        };
        assert!(kept("6b1c5f04-1d3f-4a7e-9d8e-000000000000"));
        for bad in ["a b", "\"}", &"a".repeat(65)] {
            assert!(!kept(bad), "{bad}");
        }
    }
}
