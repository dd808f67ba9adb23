//! File operations with bounds and durability. Used by all subcommands, for our own files only;
//! files of a build are read through `handover.rs`.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// Maximum size of a plan or marker, in bytes. A marker lists the packages of every profile.
pub const MAX_JSON: u64 = 8 << 20;

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system returned an error.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path or name of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file is larger than allowed.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Path or name of the file.
        path: PathBuf,
        /// Maximum size, in bytes.
        limit: u64,
    },
    /// The file does not contain the expected JSON.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// Path or name of the file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

impl FileError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Reads at most `limit` bytes; a longer file is an error.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Reads a file that is text.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    let bytes = read_bounded(path, limit)?;
    String::from_utf8(bytes).map_err(|_| FileError::Malformed {
        path: path.to_owned(),
        detail: "it is not UTF-8".into(),
    })
}

/// Reads a JSON file of at most [`MAX_JSON`] bytes.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let bytes = read_bounded(path, MAX_JSON)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| FileError::Malformed { path: path.to_owned(), detail: error.to_string() })
}

/// Writes a file and renames it into place, so that readers never see an incomplete one.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(&temporary)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    drop(file);
    fs::rename(&temporary, path)
}

/// As [`put`], and synced to disk when it returns.
pub fn put_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes)?;
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Creates a folder of mode 0755 without the setgid bit. Kubernetes' `fsGroup` sets that bit on
/// volumes, new folders inherit it, and it would end up in images.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Removes the folder if it exists, and creates it.
pub fn make_fresh_folder(path: &Path) -> io::Result<()> {
    remove_tree(path)?;
    make_folder(path)
}

/// Removes the file or folder at `path`, if there is one.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(info) if info.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_has_no_setgid_bit_below_a_folder_that_has() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o2777)).unwrap();
        let folder = parent.path().join("x");
        make_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o755);
    }

    #[test]
    fn a_file_larger_than_its_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        put(&path, b"12345").unwrap();
        assert!(read_bounded(&path, 5).is_ok());
        assert!(matches!(read_bounded(&path, 4), Err(FileError::TooLarge { .. })));
    }

    #[test]
    fn putting_replaces_a_symlink_instead_of_following_it() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("target"), folder.path().join("x"));
        put(&target, b"old").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        put(&path, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
