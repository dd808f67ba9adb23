//! Reads facts from the files of a tree, and detects changes of a tree.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Error, io};

/// First folders of a download server's layout.
const LAYOUT: [&str; 2] = ["/releases/", "/snapshots/"];

/// State of one file, which changes with every write, rename or change of mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    inode: u64,
    /// Type and permission bits.
    pub(super) mode: u32,
    size: u64,
    changed: (i64, i64),
}

/// States of all files below a folder, by path.
pub(super) fn states(folder: &Path) -> Result<BTreeMap<PathBuf, State>, Error> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(io(folder.display()))? {
            let entry = entry.map_err(io(folder.display()))?;
            let metadata = entry.metadata().map_err(io(entry.path().display()))?;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            let state = State {
                inode: metadata.ino(),
                mode: metadata.mode(),
                size: metadata.size(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            };
            found.insert(entry.path(), state);
        }
    }
    Ok(found)
}

/// A path with different states.
pub(super) fn difference(
    before: &BTreeMap<PathBuf, State>,
    after: &BTreeMap<PathBuf, State>,
) -> Option<PathBuf> {
    let gone = before.iter().find(|(path, state)| after.get(*path) != Some(state));
    let new = || after.iter().find(|(path, _)| !before.contains_key(*path));
    gone.or_else(new).map(|(path, _)| path.clone())
}

/// Base URL of the server in a tree's repositories file: the part before the layout of a download
/// server, or scheme and host of the first repository.
pub(super) fn public_url(tree: &Path) -> Option<String> {
    let text = ["repositories.conf", "repositories"]
        .iter()
        .find_map(|name| fs::read_to_string(tree.join(name)).ok())?;
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let url = lines.flat_map(str::split_whitespace).find(|word| word.contains("://"))?;
    if let Some(at) = LAYOUT.iter().find_map(|folder| url.find(folder)) {
        return url.get(..at).map(str::to_owned);
    }
    let (scheme, rest) = url.split_once("://")?;
    Some(format!("{scheme}://{}", rest.split('/').next()?))
}

/// Size of a folder in kilobytes, as it would be on a tmpfs.
pub(super) fn kilobytes(folder: &Path) -> Result<u64, Error> {
    let pages: u64 = states(folder)?.values().map(|state| state.size.div_ceil(4096)).sum();
    Ok(pages * 4)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_public_url_is_what_comes_before_the_layout_of_a_server() {
        for (name, text, url) in [
            (
                "repositories.conf",
                "# src/gz off https://off.example/x\nsrc/gz core https://d.example/m/releases/1/targets/a/b/packages\nsrc imagebuilder file:packages\n",
                "https://d.example/m",
            ),
            ("repositories", "https://d.example/snapshots/p/packages.adb\n", "https://d.example"),
            ("repositories", "http://d.example:81/own/packages.adb\n", "http://d.example:81"),
        ] {
            let tree = tempfile::tempdir().unwrap();
            fs::write(tree.path().join(name), text).unwrap();
            assert_eq!(public_url(tree.path()).as_deref(), Some(url), "{text}");
        }
    }

    #[test]
    fn a_written_a_new_and_a_removed_file_are_differences() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "a").unwrap();
        let before = states(folder.path()).unwrap();
        assert_eq!(difference(&before, &states(folder.path()).unwrap()), None);
        fs::write(&file, "ab").unwrap();
        let after = states(folder.path()).unwrap();
        assert_eq!(difference(&before, &after), Some(file.clone()));
        fs::remove_file(&file).unwrap();
        assert_eq!(difference(&after, &states(folder.path()).unwrap()), Some(file));
    }
}
