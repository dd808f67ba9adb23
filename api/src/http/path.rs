//! Normalizes paths: clients send doubled slashes, if their base URL ends with one, and trailing slashes.
//! The path of a document of upstream contains the folder of a version, which has any number of slashes; it
//! becomes one segment, because a route cannot name it otherwise.

use std::ops::Range;

use http::{Uri, uri::PathAndQuery};

/// First segments of the path of a document of upstream.
const DOCUMENTS: [&str; 2] = ["json", "v1"];

/// Returns the URI with single slashes, without a trailing slash, and with the folder of a version as one
/// segment; `None` if it is already normalized.
pub fn normalised(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let has_spare_slashes = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
    let segments = || path.split('/').filter(|segment| !segment.is_empty());
    let folder = if segments().take(DOCUMENTS.len()).eq(DOCUMENTS) {
        folder_of_version(&segments().collect::<Vec<_>>())
    } else {
        0..0
    };
    if !has_spare_slashes && folder.len() < 2 {
        return None;
    }
    let mut clean = String::with_capacity(path.len());
    for (place, segment) in segments().enumerate() {
        let is_inside = folder.contains(&place) && place > folder.start;
        clean.push_str(if is_inside { "%2F" } else { "/" });
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

/// The segments of the path of a document of upstream that are the folder of a version: those between
/// `json/v1` and `targets/<target>/<subtarget>/<file>` or `packages/<file>`.
fn folder_of_version(segments: &[&str]) -> Range<usize> {
    let end = match segments {
        [.., "targets", _, _, _] => segments.len().saturating_sub(4),
        [.., "packages", _] => segments.len().saturating_sub(2),
        _ => 0,
    };
    DOCUMENTS.len()..end.max(DOCUMENTS.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spare_slashes_are_removed_the_query_is_kept_and_a_folder_is_one_segment() {
        for (from, to) in [
            ("//api/v1/build", Some("/api/v1/build")),
            ("/api/v1/build/", Some("/api/v1/build")),
            ("//api///v1//build//?1700000000000", Some("/api/v1/build?1700000000000")),
            ("//", Some("/")),
            ("/", None),
            ("/api/v1/build?a=//b/", None),
            ("/store/a%2f%2fb", None),
            ("/json/v1/latest.json", None),
            ("/json/v1/snapshots/targets/x86/64/index.json", None),
            ("/json/v1/snapshots/packages/x86_64-index.json", None),
            (
                "/json/v1/releases/24.10.7/targets/x86/64/index.json?1",
                Some("/json/v1/releases%2F24.10.7/targets/x86/64/index.json?1"),
            ),
            (
                "//json/v1//releases/24.10.7//packages/x86_64-index.json/",
                Some("/json/v1/releases%2F24.10.7/packages/x86_64-index.json"),
            ),
            (
                "/json/v1/a/targets/b/packages/targets/c/d/e.json",
                Some("/json/v1/a%2Ftargets%2Fb%2Fpackages/targets/c/d/e.json"),
            ),
            ("/store/a/b/targets/c/d/e", None),
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
        fn normalizing_a_normalized_path_changes_nothing(path in "/(json/v1/)?[a-z/]{0,30}(/targets/a/b/c|/packages/d)?/?") {
            let uri = Uri::builder().path_and_query(path).build().unwrap();
            let clean = normalised(&uri).unwrap_or(uri);
            prop_assert_eq!(normalised(&clean), None);
        }
    }
}
