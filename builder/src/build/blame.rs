//! Whose a package is that could not be had, where the output does not say it: of which feeds the
//! indexes list it.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use asu_core::{
    classify::Classifier,
    digest::Sha256Hex,
    plan::PackageManager,
    repositories_file::{remote_lines, url_of},
};

use super::{Build, indexes::MAX_INDEX};
use crate::handover::Folder;

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What comes before a deflated stream to make it one of gzip: no name, no time.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

impl Build<'_> {
    /// What the output has shown, and what the indexes say of packages whose feed it does not name.
    pub(super) fn classifier(&self) -> Classifier {
        let mut classifier = self.runner.log.classifier();
        let mut packages = classifier.unplaced();
        if packages.is_empty() {
            return classifier;
        }
        let Ok(dl) = Folder::open(&self.workspace().join("dl")) else { return classifier };
        let kind = self.marker.package_manager;
        let mut found = Vec::new();
        for line in remote_lines(&self.effective.repositories_file, kind) {
            let Some(index) = read(&dl, &index_name(line, kind)) else { continue };
            let owner = self.effective.origins.owner(url_of(line).unwrap_or_default());
            if let Some(owner) = owner {
                let listed = packages.iter().filter(|it| lists(&index, it, kind));
                found.extend(listed.map(|package| (package.clone(), owner.to_owned())));
            } else {
                // What the Distribution has may have come from there.
                packages.retain(|package| !lists(&index, package, kind));
            }
        }
        found.retain(|(package, _)| packages.contains(package));
        for (package, owner) in found {
            classifier.place(package, owner);
        }
        classifier
    }
}

/// File of a feed's index in `dl/`: opkg takes the feed's name, apk the digest of its address.
fn index_name(line: &str, package_manager: PackageManager) -> String {
    match package_manager {
        PackageManager::Opkg => line.split_whitespace().nth(1).unwrap_or_default().to_owned(),
        PackageManager::Apk => {
            let digest = Sha256Hex::of(url_of(line).unwrap_or_default().as_bytes()).to_string();
            format!("APKINDEX.{}.tar.gz", digest.get(..8).unwrap_or_default())
        }
    }
}

/// An index as text, or as the bytes of apk's database.
fn read(dl: &Folder, name: &str) -> Option<Vec<u8>> {
    let bytes = dl.read(name, MAX_INDEX).ok()?;
    match bytes.get(..4)? {
        [first, second, ..] if [*first, *second] == GZIP => inflated(&[], &bytes),
        b"ADBd" => inflated(&GZIP_HEAD, bytes.get(4..)?),
        // The way of compression, and its level.
        b"ADBc" => match (bytes.get(4)?, bytes.get(6..)?) {
            (0, rest) => Some(rest.to_vec()),
            (1, rest) => inflated(&GZIP_HEAD, rest),
            (2, rest) => zstd::bulk::decompress(rest, usize::try_from(MAX_INDEX).ok()?).ok(),
            _ => None,
        },
        _ => Some(bytes),
    }
}

/// The content of a stream of gzip. One without its end gives what it has.
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
        // It has ended, or has more to say than anybody wants to hear.
        let _ = child.kill();
        let _ = child.wait();
        read.ok()
    })?;
    Some(content)
}

/// Whether an index lists a package. In apk's database a text follows its length.
fn lists(index: &[u8], package: &str, package_manager: PackageManager) -> bool {
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

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn listed(dl: &Path, line: &str, package: &str, package_manager: PackageManager) -> bool {
        let folder = Folder::open(dl).unwrap();
        let index = read(&folder, &index_name(line, package_manager));
        index.is_some_and(|index| lists(&index, package, package_manager))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        fs::write(&file, text).unwrap();
        Command::new("gzip").arg("-nc").arg(&file).output().unwrap().stdout
    }

    #[test]
    fn an_index_of_opkg_lists_its_packages_plain_and_compressed() {
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
    fn an_index_of_apk_lists_its_packages_however_it_is_compressed() {
        let database = b"ADB.indx\x03vim\x08vim-full\x059.1.2";
        let raw = gzip(database);
        // Without its head and its sum it is a deflated stream.
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
            let digest = Sha256Hex::of(url.as_bytes()).to_string();
            fs::write(dl.path().join(format!("APKINDEX.{}.tar.gz", &digest[..8])), bytes).unwrap();
            let has = |package| listed(dl.path(), url, package, PackageManager::Apk);
            assert!(has("vim") && has("vim-full"));
            assert!(!has("nano") && !has("vi"));
        }
    }
}
