//! Normalizes paths: clients send doubled slashes, if their base URL ends with one, and trailing slashes.

use http::{Uri, uri::PathAndQuery};

/// Returns the URI with single slashes and without a trailing slash; `None` if it is already normalized.
pub fn normalised(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && (path.len() == 1 || !path.ends_with('/')) {
        return None;
    }
    let mut clean = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        clean.push('/');
        clean.push_str(segment);
    }
    if clean.is_empty() {
        clean.push('/');
    }
    if let Some(query) = uri.query() {
        clean.push('?');
        clean.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(clean).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubled_and_trailing_slashes_are_removed_and_the_query_is_kept() {
        for (from, to) in [
            ("//api/v1/build", Some("/api/v1/build")),
            ("/api/v1/build/", Some("/api/v1/build")),
            ("//api///v1//build//?1700000000000", Some("/api/v1/build?1700000000000")),
            ("//", Some("/")),
            ("/", None),
            ("/api/v1/build?a=//b/", None),
            ("/store/a%2f%2fb", None),
        ] {
            let uri: Uri = Uri::builder().path_and_query(from).build().unwrap();
            assert_eq!(
                normalised(&uri).map(|clean| clean.to_string()),
                to.map(String::from),
                "{from}"
            );
        }
    }

    proptest! {
        #[test]
        fn once_is_enough(path in "/[a-z/]{0,30}") {
            let uri = Uri::builder().path_and_query(path).build().unwrap();
            let clean = normalised(&uri).unwrap_or(uri);
            prop_assert_eq!(normalised(&clean), None);
        }
    }
}
