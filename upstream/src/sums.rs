//! Parser for `sha256sums`: the signed list of a target's files. It does not check the signature.
//!
//! Lines are `<64 hex> *<path>`, sorted, with the files of subfolders. `sha256sum` writes them in
//! binary mode; in text mode there is a space instead of the `*`.

use asu_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::text::{is_plain_name, quoted};

const WHAT: &str = "sha256sums";

/// Maximum number of lines. Large targets with all their kernel modules have about 10,000.
const MAX_LINES: usize = 50_000;

/// Maximum length of a line in bytes. Lines of real lists have at most 200.
const MAX_LINE: usize = 4096;

/// Maximum number of entries that are kept because their path has a wanted form.
const MAX_KEPT: usize = 3_000;

/// Maximum length of the ImageBuilder's file name in bytes.
const MAX_NAME: usize = 200;

/// File name and digest of the ImageBuilder's tarball.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBuilderFile {
    /// Plain file name.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
}

/// The digests of the wanted files and of the ImageBuilder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    image_builders: Vec<(Digest, String)>,
    files: Vec<(String, Digest)>,
}

/// Parses a list in chunks. Keeps only the current line and the wanted entries in memory.
#[derive(Debug)]
pub struct SumsReader<'a> {
    wanted: &'a [&'a str],
    line: Vec<u8>,
    number: usize,
    sums: Sums,
    problem: Option<ParseError>,
}

impl<'a> SumsReader<'a> {
    /// A reader that keeps the entries of the ImageBuilder and of these paths. In a path, `*` matches
    /// one component.
    pub fn new(wanted: &'a [&'a str]) -> Self {
        Self { wanted, line: Vec::new(), number: 0, sums: Sums::default(), problem: None }
    }

    /// Parses the next chunk. After an invalid line the rest is ignored: the whole list is refused.
    pub fn chunk(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            if self.problem.is_some() {
                return;
            }
            self.line.extend_from_slice(part);
            if part.last() == Some(&b'\n') {
                self.end_line();
            } else if self.line.len() > MAX_LINE {
                self.fail(format!("line {} is longer than {MAX_LINE} bytes", self.number + 1));
            }
        }
    }

    /// The wanted entries of the list.
    ///
    /// # Errors
    /// The first invalid line.
    pub fn finish(mut self) -> Result<Sums, ParseError> {
        if !self.line.is_empty() && self.problem.is_none() {
            self.end_line();
        }
        self.problem.map_or(Ok(self.sums), Err)
    }

    fn fail(&mut self, detail: impl AsRef<str>) {
        self.problem = Some(ParseError::new(WHAT, detail));
    }

    fn end_line(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        if self.number > MAX_LINES {
            return self.fail(format!("more than {MAX_LINES} lines"));
        }
        let Ok(line) = std::str::from_utf8(&line) else { return self.fail("not UTF-8") };
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return;
        }
        match parse_line(line) {
            Some((digest, path)) => self.keep(digest, path),
            None => self.fail(format!("line {}: {}", self.number, quoted(line))),
        }
    }

    /// Keeps at most two entries of a kind, which is enough to detect a contradiction.
    fn keep(&mut self, digest: Digest, path: &str) {
        if is_image_builder(path) && self.sums.image_builders.len() < 2 {
            self.sums.image_builders.push((digest, path.to_owned()));
        }
        if !self.wanted.iter().any(|wanted| fits(wanted, path)) {
            return;
        }
        let known = (path.to_owned(), digest);
        if !self.sums.files.contains(&known)
            && self.sums.files.iter().filter(|(name, _)| name == path).count() < 2
        {
            self.sums.files.push(known);
        }
        if self.sums.files.len() > MAX_KEPT {
            self.fail(format!("more than {MAX_KEPT} files of a kind"));
        }
    }
}

impl Sums {
    /// Returns the digest of exactly this path, if it is listed. Several digests are an error. Finds
    /// only paths that were passed to [`SumsReader::new`].
    pub fn digest_of(&self, path: &str) -> Result<Option<&Digest>, ParseError> {
        let mut digests = self.files.iter().filter(|(name, _)| name == path).map(|(_, sum)| sum);
        let first = digests.next();
        if digests.next().is_some() {
            let detail = format!("{} is listed with two digests", quoted(path));
            return Err(ParseError::new(WHAT, detail));
        }
        Ok(first)
    }

    /// Whether a file in this folder is listed. Finds only paths that were passed to
    /// [`SumsReader::new`].
    pub fn lists_below(&self, folder: &str) -> bool {
        let is_below =
            |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.files.iter().any(|(path, _)| is_below(path))
    }

    /// The ImageBuilder for Linux on x86_64. None or several are an error.
    pub fn image_builder(&self) -> Result<ImageBuilderFile, ParseError> {
        let mut found = self.image_builders.iter();
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
        Ok(ImageBuilderFile { name: name.clone(), sha256: *sha256 })
    }
}

/// Whether a path matches `wanted`, in which `*` matches one component.
fn fits(wanted: &str, path: &str) -> bool {
    let Some((before, after)) = wanted.split_once('*') else { return wanted == path };
    let name = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn is_image_builder(path: &str) -> bool {
    path.contains("imagebuilder-") && path.contains("Linux-x86_64.tar.")
}

fn parse_line(line: &str) -> Option<(Digest, &str)> {
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

    /// Parses a whole list in small chunks.
    fn read(bytes: &[u8], wanted: &[&str]) -> Result<Sums, ParseError> {
        let mut reader = SumsReader::new(wanted);
        bytes.chunks(7).for_each(|piece| reader.chunk(piece));
        reader.finish()
    }

    fn image_builder(bytes: &[u8]) -> Result<ImageBuilderFile, ParseError> {
        read(bytes, &[])?.image_builder()
    }

    fn list(names: &[&str]) -> Vec<u8> {
        names.iter().fold(String::new(), |list, name| format!("{list}{DIGEST} *{name}\n")).into()
    }

    #[test]
    fn the_image_builder_is_the_only_name_with_both_marks() {
        let found = image_builder(&list(&["config.buildinfo", NAME, "packages/a.apk"])).unwrap();
        assert_eq!(found.name, NAME);
        assert_eq!(found.sha256.to_string(), DIGEST);
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
            let error = read(list.as_bytes(), &[]).unwrap_err();
            assert!(error.detail.starts_with("line 2"), "{error}");
        }
    }

    #[test]
    fn a_digest_is_found_by_its_exact_path_and_must_be_unambiguous() {
        let mut bytes = list(&["profiles.json", "packages/profiles.json"]);
        let sums = read(&bytes, &["profiles.json", "other"]).unwrap();
        assert_eq!(sums.digest_of("profiles.json").unwrap().unwrap().to_string(), DIGEST);
        assert_eq!(sums.digest_of("other").unwrap(), None);
        bytes.extend(format!("{} *profiles.json\n", "0".repeat(64)).into_bytes());
        assert!(read(&bytes, &["profiles.json"]).unwrap().digest_of("profiles.json").is_err());
    }

    #[test]
    fn indexes_of_kernel_modules_are_found_in_a_folder_with_any_name() {
        let bytes =
            list(&["kmods/6.6.1-1-ab/index.json", "kmods/index.json", "kmods/a/b/index.json"]);
        let sums = read(&bytes, &["kmods/*/index.json"]).unwrap();
        assert!(sums.digest_of("kmods/6.6.1-1-ab/index.json").unwrap().is_some());
        assert!(sums.lists_below("kmods/6.6.1-1-ab") && !sums.lists_below("kmods/6.6.1-1"));
        assert_eq!(sums.digest_of("kmods/index.json").unwrap(), None);
        assert_eq!(sums.digest_of("kmods/a/b/index.json").unwrap(), None);
        let many: Vec<String> = (0..=MAX_KEPT).map(|n| format!("kmods/{n}/index.json")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = read(&list(&many), &["kmods/*/index.json"]).unwrap_err();
        assert!(error.detail.contains("more than 3000"), "{error}");
    }

    #[test]
    fn only_the_wanted_entries_of_a_long_list_are_kept_in_memory() {
        let other = list(&[&"x".repeat(200)]);
        let (mut reader, mut most) = (SumsReader::new(&["profiles.json"]), 0);
        for _ in 0..10_000 {
            reader.chunk(&other);
            most = most.max(reader.line.capacity() + reader.sums.files.capacity());
        }
        assert!(most < 2 * MAX_LINE, "{most}");
        reader.chunk(&list(&["profiles.json", NAME]));
        let sums = reader.finish().unwrap();
        assert!(sums.digest_of("profiles.json").unwrap().is_some());
        assert!(sums.image_builder().is_ok());
    }

    #[test]
    fn endless_lines_and_endless_lists_are_refused() {
        let mut reader = SumsReader::new(&[]);
        for _ in 0..1000 {
            reader.chunk(&[b'x'; 1000]);
        }
        assert!(reader.line.len() <= MAX_LINE + 1000);
        assert!(reader.finish().unwrap_err().detail.contains("longer"));
        let endless = list(&["a"]).repeat(MAX_LINES + 1);
        assert!(read(&endless, &[]).unwrap_err().detail.contains("more than"));
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
