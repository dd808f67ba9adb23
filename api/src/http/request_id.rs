//! The id of a request, by which it is found in the logs of all servers: the id from the proxy, or a new
//! one.

use axum::extract::Request;
use http::{HeaderMap, HeaderName};
use tower_http::request_id::RequestId;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of an id from the proxy.
const MAX_LENGTH: usize = 64;

/// Removes an id that is too long or contains other characters, because it is logged and sent back.
pub fn remove_unless_plain(headers: &mut HeaderMap) {
    let plain = headers.get(HEADER).is_none_or(|id| {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
        id.len() <= MAX_LENGTH && id.as_bytes().iter().all(allowed)
    });
    if !plain {
        headers.remove(HEADER);
    }
}

/// Returns the id of a request.
pub fn of(request: &Request) -> Option<RequestId> {
    request.extensions().get::<RequestId>().cloned()
}

/// Returns an id as text; empty without an id.
pub fn text(id: Option<&RequestId>) -> &str {
    id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_short_plain_id_is_kept() {
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
