//! Digests of the package indexes that a build used, which are part of the build key. Both package
//! managers keep them in `dl/`: opkg under the feed's name, apk as `APKINDEX.<hash of the
//! URL>.tar.gz`.

use std::{collections::BTreeMap, fs, path::Path};

use asu_core::{digest::Digest, plan::PackageManager, repositories_file::remote_feeds};

use crate::handover::Folder;

/// Maximum size of an index in bytes, compressed and as text: that of the largest feed has 3 MB.
pub(super) const MAX_INDEX: u64 = 64 << 20;

/// Digests of the remote feeds' indexes by file name.
pub(super) fn read(
    dl: &Path,
    repositories_file: &str,
    package_manager: PackageManager,
) -> BTreeMap<String, Digest> {
    let Ok(folder) = Folder::open(dl) else { return BTreeMap::new() };
    let names = match package_manager {
        PackageManager::Opkg => remote_feeds(repositories_file, package_manager),
        PackageManager::Apk => apk_indexes(dl),
    };
    names
        .into_iter()
        .filter_map(|name| {
            // Scripts of packages could write to this folder.
            let bytes = folder.read(&name, MAX_INDEX).ok()?;
            Some((name, Digest::of(&bytes)))
        })
        .collect()
}

fn apk_indexes(dl: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dl) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("APKINDEX."))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_remote_indexes_are_read() {
        let dl = tempfile::tempdir().unwrap();
        for name in ["base", "imagebuilder", "x_1.ipk", "APKINDEX.00.tar.gz"] {
            fs::write(dl.path().join(name), name).unwrap();
        }
        let file = "src/gz base http://m/base\nsrc imagebuilder file:packages\n";
        let opkg = read(dl.path(), file, PackageManager::Opkg);
        assert_eq!(opkg.keys().collect::<Vec<_>>(), ["base"]);
        let apk = read(dl.path(), "http://m/packages.adb\n", PackageManager::Apk);
        assert_eq!(apk.keys().collect::<Vec<_>>(), ["APKINDEX.00.tar.gz"]);
    }

    #[test]
    fn a_fifo_or_link_in_the_place_of_an_index_is_not_read() {
        let dl = tempfile::tempdir().unwrap();
        let fifo = dl.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", dl.path().join("link")).unwrap();
        fs::create_dir(dl.path().join("folder")).unwrap();
        fs::write(dl.path().join("good"), "x").unwrap();
        let file = "src/gz fifo http://m/a\nsrc/gz link http://m/b\nsrc/gz folder http://m/c\n\
                    src/gz good http://m/d\n";
        let found = read(dl.path(), file, PackageManager::Opkg);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["good"]);
    }
}
