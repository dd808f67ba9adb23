//! `sha256sums`: the signed list of a target's files.
//!
//! Lines `<64 hex> *<path>`, sorted, recursive on a download server (written by `sha256sum`
//! in binary mode; text mode has a space for the `*`).

use asu_core::digest::Sha256Hex;

use crate::error::ParseError;
use crate::text::{is_plain_name, quoted};

const WHAT: &str = "sha256sums";

/// Most lines. Large targets with all their kernel modules have about 10,000.
const MAX_LINES: usize = 50_000;

/// Longest file name, in bytes.
const MAX_NAME: usize = 200;

/// The ImageBuilder's tarball as the list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBuilderFile {
    /// Plain file name.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256Hex,
}

/// The list, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums<'a>(Vec<(Sha256Hex, &'a str)>);

impl<'a> Sums<'a> {
    /// Reads the whole file; one bad line spoils it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::new(WHAT, "not UTF-8"))?;
        let mut sums = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if index >= MAX_LINES {
                return Err(ParseError::new(WHAT, format!("more than {MAX_LINES} lines")));
            }
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let sum = parse_line(line).ok_or_else(|| {
                ParseError::new(WHAT, format!("line {}: {}", index + 1, quoted(line)))
            })?;
            sums.push(sum);
        }
        Ok(Self(sums))
    }

    /// The digest of exactly this path, if it is listed, and listed with one digest only.
    pub fn digest_of(&self, path: &str) -> Result<Option<&Sha256Hex>, ParseError> {
        let mut digests = self.0.iter().filter(|(_, name)| *name == path).map(|(sum, _)| sum);
        let first = digests.next();
        if digests.any(|other| Some(other) != first) {
            let detail = format!("{} is listed with two digests", quoted(path));
            return Err(ParseError::new(WHAT, detail));
        }
        Ok(first)
    }

    /// The one ImageBuilder for Linux on x86_64.
    pub fn image_builder(&self) -> Result<ImageBuilderFile, ParseError> {
        let is_one =
            |path: &str| path.contains("imagebuilder-") && path.contains("Linux-x86_64.tar.");
        let mut found = self.0.iter().filter(|(_, path)| is_one(path));
        let (sha256, name) =
            found.next().ok_or_else(|| ParseError::new(WHAT, "no ImageBuilder for x86_64"))?;
        if let Some((_, other)) = found.next() {
            let detail = format!("two ImageBuilders: {} and {}", quoted(name), quoted(other));
            return Err(ParseError::new(WHAT, detail));
        }
        if !is_plain_name(name, MAX_NAME) {
            let detail = format!("the ImageBuilder's name {} is not plain", quoted(name));
            return Err(ParseError::new(WHAT, detail));
        }
        Ok(ImageBuilderFile { name: (*name).to_owned(), sha256: sha256.clone() })
    }
}

/// The ImageBuilder of a `sha256sums` file, see [`Sums::image_builder`].
pub fn image_builder(bytes: &[u8]) -> Result<ImageBuilderFile, ParseError> {
    Sums::parse(bytes)?.image_builder()
}

fn parse_line(line: &str) -> Option<(Sha256Hex, &str)> {
    let (digest, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix(" *").or_else(|| rest.strip_prefix("  "))?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return None;
    }
    Some((digest.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "9d0e459880c42e90ff461b8c5e243454f1ed6ccd047de1f3ef5fefa3323c57a3";
    const NAME: &str = "openwrt-imagebuilder-25.12.5-ath79-generic.Linux-x86_64.tar.zst";

    fn list(names: &[&str]) -> Vec<u8> {
        names.iter().fold(String::new(), |list, name| format!("{list}{DIGEST} *{name}\n")).into()
    }

    #[test]
    fn the_image_builder_is_the_one_line_with_both_marks() {
        let found = image_builder(&list(&["config.buildinfo", NAME, "packages/a.apk"])).unwrap();
        assert_eq!(found.name, NAME);
        assert_eq!(found.sha256.as_str(), DIGEST);
    }

    #[test]
    fn none_and_two_image_builders_are_errors() {
        let error = image_builder(&list(&["config.buildinfo"])).unwrap_err();
        assert!(error.detail.contains("no ImageBuilder"), "{error}");
        let other = NAME.replace("zst", "xz");
        let error = image_builder(&list(&[NAME, &other])).unwrap_err();
        assert!(error.detail.contains("two ImageBuilders"), "{error}");
        assert!(image_builder(&list(&[NAME, NAME])).is_err());
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        for prefix in ["../", "/etc/", "x/", "-", "."] {
            let error = image_builder(&list(&[&format!("{prefix}{NAME}")])).unwrap_err();
            assert!(error.detail.contains("not plain"), "{error}");
        }
    }

    #[test]
    fn text_mode_and_carriage_returns_are_read() {
        let list = format!("{DIGEST}  {NAME}\r\n\r\n");
        assert_eq!(image_builder(list.as_bytes()).unwrap().name, NAME);
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in ["x", &DIGEST[1..], &format!("{DIGEST} ?{NAME}"), &format!("{DIGEST} *")] {
            let list = format!("{DIGEST} *a\n{bad}\n");
            let error = Sums::parse(list.as_bytes()).unwrap_err();
            assert!(error.detail.starts_with("line 2"), "{error}");
        }
    }

    #[test]
    fn a_digest_is_found_by_its_exact_path_and_must_be_unambiguous() {
        let mut bytes = list(&["profiles.json", "packages/profiles.json"]);
        let sums = Sums::parse(&bytes).unwrap();
        assert_eq!(sums.digest_of("profiles.json").unwrap().unwrap().as_str(), DIGEST);
        assert_eq!(sums.digest_of("other").unwrap(), None);
        bytes.extend(format!("{} *profiles.json\n", "0".repeat(64)).into_bytes());
        assert!(Sums::parse(&bytes).unwrap().digest_of("profiles.json").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = image_builder(&bytes);
        }

        #[test]
        fn a_found_name_is_always_plain(name in ".{0,20}imagebuilder-.{0,9}Linux-x86_64.tar..{0,5}") {
            if let Ok(found) = image_builder(&list(&[&name])) {
                prop_assert!(is_plain_name(&found.name, MAX_NAME));
            }
        }
    }
}
