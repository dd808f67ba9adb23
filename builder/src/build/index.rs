//! Reads a package index from `dl/`: the text of opkg or the database of apk. The index is
//! untrusted; reads are bounded.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use asu_core::{digest::Digest, plan::PackageManager, repositories_file::url_of};

use super::indexes::MAX_INDEX;
use crate::handover::Folder;

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A gzip header without name and time, which turns a deflate stream into a gzip stream.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Name of a feed's index in `dl/`: opkg uses the feed's name, apk the digest of its URL.
pub(super) fn file_name(line: &str, package_manager: PackageManager) -> String {
    match package_manager {
        PackageManager::Opkg => line.split_whitespace().nth(1).unwrap_or_default().to_owned(),
        PackageManager::Apk => {
            let digest = Digest::of(url_of(line).unwrap_or_default().as_bytes()).to_string();
            format!("APKINDEX.{}.tar.gz", digest.get(..8).unwrap_or_default())
        }
    }
}

/// Reads an index as text or as the bytes of apk's database.
pub(super) fn read(dl: &Folder, name: &str) -> Option<Vec<u8>> {
    let bytes = dl.read(name, MAX_INDEX).ok()?;
    match bytes.get(..4)? {
        [first, second, ..] if [*first, *second] == GZIP => inflated(&[], &bytes),
        b"ADBd" => inflated(&GZIP_HEAD, bytes.get(4..)?),
        // The compression method and its level.
        b"ADBc" => match (bytes.get(4)?, bytes.get(6..)?) {
            (0, rest) => Some(rest.to_vec()),
            (1, rest) => inflated(&GZIP_HEAD, rest),
            (2, rest) => zstd::bulk::decompress(rest, usize::try_from(MAX_INDEX).ok()?).ok(),
            _ => None,
        },
        _ => Some(bytes),
    }
}

/// The content of a gzip stream. A truncated stream gives the content up to its end.
fn inflated(head: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new("gzip")
        .arg("-dc")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let mut content = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(head).and_then(|()| input.write_all(rest)));
        let read = output.take(MAX_INDEX).read_to_end(&mut content);
        // It has ended, or its output exceeds the maximum.
        let _ = child.kill();
        let _ = child.wait();
        read.ok()
    })?;
    Some(content)
}

/// Whether an index lists a package. In apk's database each text is preceded by its length.
pub(super) fn lists(index: &[u8], package: &str, package_manager: PackageManager) -> bool {
    match package_manager {
        PackageManager::Opkg => {
            let line = format!("Package: {package}");
            index.split(|&byte| byte == b'\n').any(|found| found.trim_ascii() == line.as_bytes())
        }
        PackageManager::Apk => {
            let Ok(length) = u8::try_from(package.len()) else { return false };
            let text = [&[length], package.as_bytes()].concat();
            index.windows(text.len()).any(|window| window == text)
        }
    }
}

/// Versions of a package in an index. For apk's database these are all texts that `could_be` a
/// version: the database is not parsed, so it is unknown to which package a version belongs.
pub(super) fn versions(
    index: &[u8],
    package: &str,
    package_manager: PackageManager,
    could_be: fn(&str) -> bool,
) -> Vec<String> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    match package_manager {
        PackageManager::Opkg => {
            let head = format!("Package: {package}");
            let mut lines = index.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
            let mut found = Vec::new();
            while lines.any(|line| line == head.as_bytes()) {
                let stanza = lines.by_ref().take_while(|line| !line.is_empty());
                let version = stanza.filter_map(|line| line.strip_prefix(b"Version:")).last();
                found.extend(version.and_then(text).filter(|text| could_be(text)));
            }
            found
        }
        PackageManager::Apk if lists(index, package, package_manager) => (0..index.len())
            .filter_map(|at| {
                let length = usize::from(*index.get(at)?);
                let bytes = index.get(at + 1..at + 1 + length)?;
                bytes.first().filter(|byte| byte.is_ascii_digit())?;
                text(bytes).filter(|text| could_be(text))
            })
            .collect(),
        PackageManager::Apk => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn listed(dl: &Path, line: &str, package: &str, package_manager: PackageManager) -> bool {
        let folder = Folder::open(dl).unwrap();
        let index = read(&folder, &file_name(line, package_manager));
        index.is_some_and(|index| lists(&index, package, package_manager))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        fs::write(&file, text).unwrap();
        Command::new("gzip").arg("-nc").arg(&file).output().unwrap().stdout
    }

    #[test]
    fn plain_and_compressed_indexes_of_opkg_are_read() {
        let text = b"Package: vim\nVersion: 9\n\nPackage: vim-full\nDepends: nano\n";
        for bytes in [text.to_vec(), gzip(text)] {
            let dl = tempfile::tempdir().unwrap();
            fs::write(dl.path().join("mine"), bytes).unwrap();
            let line = "src/gz mine https://m.example/x";
            let has = |package| listed(dl.path(), line, package, PackageManager::Opkg);
            assert!(has("vim") && has("vim-full"));
            assert!(!has("nano") && !has("vi"));
        }
    }

    #[test]
    fn indexes_of_apk_are_read_with_every_compression() {
        let database = b"ADB.indx\x03vim\x08vim-full\x059.1.2";
        let raw = gzip(database);
        // Without header and checksum it is a deflate stream.
        let deflated = &raw[10..raw.len() - 8];
        let zstd = zstd::encode_all(&database[..], 3).unwrap();
        for bytes in [
            database.to_vec(),
            [b"ADBd", deflated].concat(),
            [&b"ADBc\x01\x09"[..], deflated].concat(),
            [&b"ADBc\x02\x03"[..], &zstd].concat(),
            [&b"ADBc\x00\x00"[..], database].concat(),
        ] {
            let dl = tempfile::tempdir().unwrap();
            let url = "https://m.example/x/packages.adb";
            let digest = Digest::of(url.as_bytes()).to_string();
            fs::write(dl.path().join(format!("APKINDEX.{}.tar.gz", &digest[..8])), bytes).unwrap();
            let has = |package| listed(dl.path(), url, package, PackageManager::Apk);
            assert!(has("vim") && has("vim-full"));
            assert!(!has("nano") && !has("vi"));
        }
    }

    #[test]
    fn the_versions_of_a_package_are_read_from_an_index() {
        let any = |_: &str| true;
        let opkg = b"Package: a\nVersion: 1\n\nPackage: b\nDepends: a\nVersion: 2~x\n";
        assert_eq!(versions(opkg, "b", PackageManager::Opkg, any), ["2~x"]);
        assert!(versions(opkg, "c", PackageManager::Opkg, any).is_empty());
        let with_tilde = |text: &str| text.contains('~');
        let apk = b"ADB.indx\x01a\x031-r\x01b\x032~x";
        assert_eq!(versions(apk, "b", PackageManager::Apk, with_tilde), ["2~x"]);
        assert!(versions(apk, "c", PackageManager::Apk, with_tilde).is_empty());
    }
}
