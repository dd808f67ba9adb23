//! Byte ranges (RFC 9110 §14). Single ranges are supported; a request for several gets the whole file.
//!
//! `Range` is parsed here, because the type of the crate headers does not distinguish a malformed range
//! from one beyond the end, and does not support a suffix that is longer than the file.

use std::ops::Range;

use headers::{ETag, HeaderMapExt as _, IfRange, LastModified};
use http::{HeaderMap, header};

/// The requested part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RangeRequest {
    /// The whole file.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes beyond the end of the file.
    Unsatisfiable,
}

/// Parses `Range` for a file of `size` bytes. A malformed range, or one for another version of the file
/// (`If-Range`), is ignored.
pub(super) fn wanted(
    headers: &HeaderMap,
    size: u64,
    etag: &ETag,
    modified: LastModified,
) -> RangeRequest {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return RangeRequest::Whole;
    };
    if headers.contains_key(header::IF_RANGE) {
        let condition = headers.typed_get::<IfRange>();
        if condition.is_none_or(|condition| condition.is_modified(Some(etag), Some(&modified))) {
            return RangeRequest::Whole;
        }
    }
    parse(range, size).unwrap_or(RangeRequest::Whole)
}

fn parse(range: &str, size: u64) -> Option<RangeRequest> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let part = if first.is_empty() {
        let suffix = number(last)?;
        size.saturating_sub(suffix)..size
    } else {
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        if last < first {
            return None;
        }
        first..last.saturating_add(1).min(size)
    };
    Some(if part.start < part.end { RangeRequest::Part(part) } else { RangeRequest::Unsatisfiable })
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // A number that is too large for the type is beyond the end, too.
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const DATE: &str = "Fri, 27 Nov 2026 01:02:03 GMT";

    fn modified() -> LastModified {
        let mut headers = HeaderMap::new();
        headers.insert(header::LAST_MODIFIED, HeaderValue::from_static(DATE));
        headers.typed_get().unwrap()
    }

    fn ask(range: &str) -> RangeRequest {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        wanted(&headers, 11, &"\"tag\"".parse().unwrap(), modified())
    }

    #[test]
    fn single_ranges_are_parsed() {
        for (range, expected) in [
            ("bytes=0-3", 0..4),
            ("bytes=4-", 4..11),
            ("bytes=-4", 7..11),
            ("bytes=-99", 0..11),
            ("bytes=10-99999999999999999999999", 10..11),
        ] {
            assert_eq!(ask(range), RangeRequest::Part(expected), "{range}");
        }
    }

    #[test]
    fn bytes_beyond_the_end_are_unsatisfiable() {
        for range in ["bytes=11-", "bytes=99-100", "bytes=-0"] {
            assert_eq!(ask(range), RangeRequest::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn other_headers_than_a_single_range_select_the_whole_file() {
        for range in [
            "bytes=0-1,3-4",
            "bytes=4-2",
            "lines=0-1",
            "bytes",
            "bytes=",
            "bytes=a-b",
            "bytes=-",
            "bytes=+1-2",
        ] {
            assert_eq!(ask(range), RangeRequest::Whole, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_version_selects_the_whole_file() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-3"));
        for (condition, expected) in [
            ("\"tag\"", RangeRequest::Part(0..4)),
            (DATE, RangeRequest::Part(0..4)),
            ("Fri, 27 Nov 2026 01:02:02 GMT", RangeRequest::Whole),
            ("nonsense", RangeRequest::Whole),
            ("\"other\"", RangeRequest::Whole),
            ("W/\"tag\"", RangeRequest::Whole),
        ] {
            headers.insert(header::IF_RANGE, HeaderValue::from_static(condition));
            assert_eq!(
                wanted(&headers, 11, &"\"tag\"".parse().unwrap(), modified()),
                expected,
                "{condition}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_beyond_the_file(range in "bytes=[0-9]{0,20}-[0-9]{0,20}", size: u64) {
            if let Some(RangeRequest::Part(part)) = parse(&range, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
