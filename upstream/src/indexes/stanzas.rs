//! Parser for `Packages`, the index of opkg: stanzas of `Field: value` lines, separated by blank lines.
//! It reads a stream, so that a decompressed index is never completely in memory.

use std::io::{BufRead, BufReader, Read};

use asu_core::package_index::Package;
use flate2::bufread::MultiGzDecoder;

use super::Collected;
use crate::{error::ParseError, text::quoted};

const WHAT: &str = "Packages";

/// Maximum size of the text in bytes. The largest feed of OpenWrt has about 8 MB.
const MAX_TEXT: u64 = 64 << 20;

/// Maximum length of a line in bytes. Lists of dependencies have at most a few thousand.
const MAX_LINE: usize = 64 << 10;

/// The used fields of one package.
#[derive(Default)]
struct Stanza {
    package: String,
    version: String,
    abi_version: String,
    provides: String,
    size: Option<u64>,
    is_empty: bool,
}

/// Parses a file with packages of this architecture.
pub(crate) fn parse(text: &[u8], architecture: &str) -> Result<Collected, ParseError> {
    read(text, architecture)
}

/// The same for the gzipped file.
pub(crate) fn parse_gzipped(bytes: &[u8], architecture: &str) -> Result<Collected, ParseError> {
    read(BufReader::new(MultiGzDecoder::new(bytes)), architecture)
}

fn read(text: impl BufRead, architecture: &str) -> Result<Collected, ParseError> {
    // One byte more than allowed, to notice that there is more.
    let mut text = text.take(MAX_TEXT + 1);
    let mut collected = Collected::new(WHAT, architecture);
    let mut stanza = Stanza::new();
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        let mut bounded = (&mut text).take(MAX_LINE as u64 + 1);
        let length = bounded.read_until(b'\n', &mut line);
        let length = length.map_err(|error| ParseError::new(WHAT, error.to_string()))?;
        if length > MAX_LINE {
            let detail = format!("line {number} is longer than {MAX_LINE} bytes");
            return Err(ParseError::new(WHAT, detail));
        }
        let shown = String::from_utf8_lossy(&line);
        let shown = shown.trim_end();
        if shown.is_empty() {
            std::mem::replace(&mut stanza, Stanza::new()).end(&mut collected)?;
        } else if !stanza.take(shown) {
            let detail = format!("line {number} is no field: {}", quoted(shown));
            return Err(ParseError::new(WHAT, detail));
        }
        if length == 0 {
            break;
        }
    }
    if text.limit() == 0 {
        return Err(ParseError::new(WHAT, format!("more than {MAX_TEXT} bytes")));
    }
    Ok(collected)
}

impl Stanza {
    fn new() -> Self {
        Self { is_empty: true, ..Self::default() }
    }

    /// Parses a line. Returns false if it is neither a field nor the continuation of one.
    fn take(&mut self, line: &str) -> bool {
        if line.starts_with([' ', '\t']) {
            return !self.is_empty;
        }
        let Some((field, value)) = line.split_once(':') else { return false };
        let is_field = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if field.is_empty() || !field.bytes().all(is_field) {
            return false;
        }
        self.is_empty = false;
        let value = value.trim();
        match field {
            "Package" => value.clone_into(&mut self.package),
            "Version" => value.clone_into(&mut self.version),
            "ABIVersion" => value.clone_into(&mut self.abi_version),
            "Provides" => value.clone_into(&mut self.provides),
            "Size" => self.size = value.parse().ok(),
            _ => {}
        }
        true
    }

    fn end(self, collected: &mut Collected) -> Result<(), ParseError> {
        if self.is_empty {
            return Ok(());
        }
        let name = without_suffix(&self.package, &self.abi_version).to_owned();
        // `name (= version)` is the form of a versioned one.
        let provided = self.provides.split(',').filter_map(|item| item.split_whitespace().next());
        let package = Package {
            provides: provided.map(str::to_owned).collect(),
            size: self.size,
            indexed_as: Some(self.package),
            ..Package::of_version(self.version)
        };
        collected.add(&name, package)
    }
}

/// The name of a package without its ABI suffix: `libubox20240329` is `libubox`. If the name itself
/// ends in a digit, a dash separates them: `libevent2-7` is `libevent2`.
fn without_suffix<'a>(name: &'a str, abi_version: &str) -> &'a str {
    if abi_version.is_empty() {
        return name;
    }
    let base = name.strip_suffix(abi_version).unwrap_or(name);
    let base = base.strip_suffix('-').unwrap_or(base);
    if base.is_empty() { name } else { base }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
Package: libubox20240329
Version: 2024.03.29~eb9bcb64-r1
Depends: libc, libgcc1
Provides: libubox, libubox-any (= 1)
ABIVersion: 20240329
Size: 12345
Description:  A library
 with text: in two lines

Package: libevent2-7
Version: 2.1.12-r2
ABIVersion: -7

Package: base-files
Version: 1620~f1c57ee107
";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_abi_version_is_removed_from_the_end_of_the_name() {
        for (name, abi, base) in [
            ("libubox20240329", "20240329", "libubox"),
            ("libevent2-7", "-7", "libevent2"),
            ("libevent2-7", "7", "libevent2"),
            ("libgcc1", "1", "libgcc"),
            ("base-files", "", "base-files"),
            ("libgcc1", "2", "libgcc1"),
            ("7", "7", "7"),
        ] {
            assert_eq!(without_suffix(name, abi), base, "{name}");
        }
    }

    #[test]
    fn name_version_provided_names_and_size_are_read() {
        let parsed = parse(TEXT.as_bytes(), "mips_24kc").unwrap();
        assert_eq!(parsed.left_out(), None);
        let versions = [
            ("base-files", "1620~f1c57ee107"),
            ("libevent2", "2.1.12-r2"),
            ("libubox", "2024.03.29~eb9bcb64-r1"),
        ];
        assert_eq!(parsed.index.versions(), versions.into());
        let package = &parsed.index.packages()["libubox"];
        assert_eq!(package.indexed_as.as_deref(), Some("libubox20240329"));
        assert_eq!((&*package.provides, package.size), (&["libubox-any".into()][..], Some(12345)));
        assert_eq!(parsed.index.packages()["base-files"].indexed_as, None);
    }

    #[test]
    fn the_gzipped_file_is_the_same() {
        let plain = parse(TEXT.as_bytes(), "x").unwrap().index;
        let gzipped = gzip(TEXT.as_bytes());
        assert_eq!(parse_gzipped(&gzipped, "x").unwrap().index, plain);
        assert!(parse_gzipped(&gzipped[..gzipped.len() / 2], "x").is_err(), "it is truncated");
        assert!(parse_gzipped(TEXT.as_bytes(), "x").is_err(), "it is not gzipped");
    }

    #[test]
    fn an_empty_feed_has_no_packages() {
        assert!(parse(b"", "x").unwrap().index.packages().is_empty());
        assert!(parse(b"\n\n\n", "x").unwrap().index.packages().is_empty());
    }

    #[test]
    fn an_invalid_stanza_is_left_out_and_the_others_are_read() {
        let text =
            "Package: a\n\nVersion: 1\n\nPackage: ../b\nVersion: 1\n\nPackage: c\nVersion: 2";
        let parsed = parse(text.as_bytes(), "x").unwrap();
        assert_eq!(parsed.index.versions(), [("c", "2")].into());
        assert!(parsed.left_out().unwrap().detail.ends_with("and 2 more"));
    }

    #[test]
    fn a_file_in_another_format_is_an_error() {
        for bad in ["<html>", "<a href=\"http://x\">", " continues nothing", "no field", ": x"] {
            assert!(parse(bad.as_bytes(), "x").unwrap_err().detail.contains("line 1"), "{bad}");
        }
    }

    #[test]
    fn overlong_lines_and_overlong_texts_are_refused() {
        let line = format!("Package: {}\n", "x".repeat(1 << 20));
        assert!(parse(line.as_bytes(), "x").unwrap_err().detail.contains("longer"));
        let long = format!("Depends: {}\n", "x".repeat(MAX_LINE - 100));
        let lines = long.as_bytes().repeat(usize::try_from(MAX_TEXT).unwrap() / long.len() + 1);
        let gzipped = gzip(&lines);
        assert!(gzipped.len() < 1 << 20);
        assert!(parse_gzipped(&gzipped, "x").unwrap_err().detail.contains("more than"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes, "x");
            let _ = parse_gzipped(&bytes, "x");
        }

        #[test]
        fn the_suffix_of_any_package_name_is_removed(
            name in "[a-z]{1,9}", abi in "[0-9]{0,4}", version in "[0-9][0-9.]{0,5}"
        ) {
            let text = format!("Package: {name}{abi}\nVersion: {version}\nABIVersion: {abi}\n");
            let parsed = parse(text.as_bytes(), "x").unwrap();
            prop_assert_eq!(parsed.index.versions(), [(&*name, &*version)].into());
        }
    }
}
