//! Content codings of requests (RFC 9110 §12.5.3).

use http::{HeaderMap, header};

/// Whether a client accepts bodies that are compressed with gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            // A weight of zero means "not acceptable".
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            is_gzip && weight.unwrap_or(1.0) > 0.0
        },
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_accepted_if_it_is_named_and_its_weight_is_not_zero() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepts_gzip(&headers)
        };
        for good in ["gzip", "deflate, GZIP", "br;q=1.0, gzip;q=0.5"] {
            assert!(accepts(good), "{good}");
        }
        for bad in ["", "identity", "gzip;q=0", "br, gzip; q=0.0", "xgzip"] {
            assert!(!accepts(bad), "{bad}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
