//! Reads a folder that untrusted programs write to, possibly at the same time.
//!
//! No link is followed, only regular files are opened, opening never blocks, and every read is
//! bounded. Whatever violates the rules is an error.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::Path,
};

use asu_core::result::is_plain_file_name;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, statat};

/// Why a file or folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// It does not exist.
    #[error("{0:?} is not there")]
    Missing(String),
    /// It is a link, folder, device, FIFO or socket.
    #[error("{0:?} is not a regular file")]
    NotRegular(String),
    /// Its name is not a plain file name.
    #[error("{0:?} is not a plain file name")]
    Name(String),
    /// The folder has more files than allowed.
    #[error("there are more than {0} files")]
    TooMany(usize),
    /// The file is larger than allowed.
    #[error("{name:?} is larger than {limit} bytes")]
    TooLarge {
        /// Name of the file.
        name: String,
        /// Maximum size, in bytes.
        limit: u64,
    },
    /// The operating system returned an error.
    #[error("{name:?}: {source}")]
    Io {
        /// Name of the file.
        name: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// An untrusted folder.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// A path stays below the folder and passes no symbolic or magic link.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

fn failed(name: &str, error: rustix::io::Errno) -> HandoverError {
    use rustix::io::Errno;
    match error {
        Errno::NOENT => HandoverError::Missing(shown(name)),
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::ISDIR | Errno::NXIO => {
            HandoverError::NotRegular(shown(name))
        }
        other => HandoverError::Io { name: shown(name), source: other.into() },
    }
}

fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

impl Folder {
    /// Opens a folder by a trusted path.
    ///
    /// # Errors
    /// When it does not exist or is not a folder.
    pub fn open(path: &Path) -> Result<Self, HandoverError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map(Self)
            .map_err(|error| failed(&path.to_string_lossy(), error))
    }

    /// Opens a folder in this folder.
    ///
    /// # Errors
    /// When it does not exist or is not a folder.
    pub fn folder(&self, name: &str) -> Result<Self, HandoverError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat2(&self.0, name, flags, Mode::empty(), BENEATH)
            .map(Self)
            .map_err(|error| failed(name, error))
    }

    /// Opens a regular file of this folder. The type is checked before opening, because opening a
    /// device can have effects, and again afterwards, because the file may have been replaced.
    ///
    /// # Errors
    /// When it does not exist or is not a regular file.
    pub fn file(&self, name: &str) -> Result<File, HandoverError> {
        let regular = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
        let seen = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed(name, error))?;
        if !regular(seen.st_mode) {
            return Err(HandoverError::NotRegular(shown(name)));
        }
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat2(&self.0, name, flags, Mode::empty(), BENEATH)
            .map_err(|error| failed(name, error))?;
        let opened = fstat(&fd).map_err(|error| failed(name, error))?;
        if !regular(opened.st_mode) {
            return Err(HandoverError::NotRegular(shown(name)));
        }
        Ok(File::from(fd))
    }

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::file`], or when it is larger.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, HandoverError> {
        let file = self.file(name)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| HandoverError::Io { name: shown(name), source })?;
        if bytes.len() as u64 > limit {
            return Err(HandoverError::TooLarge { name: shown(name), limit });
        }
        Ok(bytes)
    }

    /// The names of all files, sorted. Everything in the folder must be a regular file with a plain
    /// name.
    ///
    /// # Errors
    /// When an entry violates a rule, or there are too many.
    pub fn plain_files(&self, most: usize) -> Result<Vec<String>, HandoverError> {
        let mut names = Vec::new();
        let entries = Dir::read_from(&self.0).map_err(|error| failed(".", error))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(".", error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            if names.len() >= most {
                return Err(HandoverError::TooMany(most));
            }
            if !is_plain_file_name(&name) {
                return Err(HandoverError::Name(shown(&name)));
            }
            self.file(&name)?;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    fn folder_with(make: impl FnOnce(&Path)) -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let opened = Folder::open(folder.path()).unwrap();
        (folder, opened)
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let (_guard, folder) = folder_with(|path| {
            let made = Command::new("mkfifo").arg(path.join("x")).status().unwrap();
            assert!(made.success());
        });
        assert!(matches!(folder.file("x"), Err(HandoverError::NotRegular(_))));
        assert!(folder.plain_files(9).is_err());
    }

    #[test]
    fn links_are_refused_wherever_they_lead() {
        for target in ["/etc/passwd", "y", "missing", "../x"] {
            let (_guard, folder) = folder_with(|path| {
                fs::write(path.join("y"), "y").unwrap();
                symlink(target, path.join("x")).unwrap();
            });
            assert!(folder.file("x").is_err(), "{target}");
            assert!(folder.folder("x").is_err(), "{target}");
        }
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let (_guard, folder) = folder_with(|_| {});
        for name in ["../x", "/etc/passwd", "..", "."] {
            assert!(folder.file(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_folder_with_a_name_that_is_not_plain_is_refused() {
        for name in ["-rf", ".hidden", "a b", "a\nb", "ä"] {
            let (_guard, folder) = folder_with(|path| fs::write(path.join(name), "").unwrap());
            assert!(matches!(folder.plain_files(9), Err(HandoverError::Name(_))), "{name}");
        }
    }

    #[test]
    fn numbers_and_sizes_of_files_are_limited() {
        let (_guard, folder) = folder_with(|path| {
            for name in ["a", "b", "c"] {
                fs::write(path.join(name), "12345").unwrap();
            }
        });
        assert!(matches!(folder.plain_files(2), Err(HandoverError::TooMany(2))));
        assert_eq!(folder.plain_files(3).unwrap(), ["a", "b", "c"]);
        assert!(matches!(folder.read("a", 4), Err(HandoverError::TooLarge { .. })));
        assert_eq!(folder.read("a", 5).unwrap(), b"12345");
    }
}
