//! Creates files, folders and links below one folder, and nowhere else. Used by `unpack`.
//!
//! The kernel resolves every path relative to the folder's descriptor, with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_SYMLINKS`. So neither a name that the checks missed nor a concurrent change of the tree
//! can lead a write outside the folder.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, futimens,
    linkat, mkdirat, openat, openat2, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::error::TarballError;
use super::name::split;

/// Maximum number of attempts to resolve a path: the kernel returns `EAGAIN` when the tree changes
/// meanwhile.
const ATTEMPTS: u32 = 8;

/// A modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    seconds: i64,
    nanoseconds: u32,
}

impl Time {
    /// From whole seconds since 1970; values that are too large become the maximum.
    pub(super) fn seconds(seconds: u64) -> Self {
        Self { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanoseconds: 0 }
    }

    /// A decimal number of seconds as in pax records, for example `1782737960.123456789`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        if fraction.bytes().any(|byte| !byte.is_ascii_digit()) {
            return None;
        }
        let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
        let nanoseconds: u32 = digits.parse().ok()?;
        if whole.starts_with('-') && nanoseconds != 0 {
            // -1.25 is 0.75 s after -2.
            return Some(Self {
                seconds: seconds.checked_sub(1)?,
                nanoseconds: 1_000_000_000 - nanoseconds,
            });
        }
        Some(Self { seconds, nanoseconds })
    }

    fn timestamps(self) -> Timestamps {
        Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: self.seconds, tv_nsec: self.nanoseconds.into() },
        }
    }
}

/// Sets mode and modification time of an open file or folder.
pub(super) fn finish(
    fd: impl AsFd,
    name: &str,
    mode: u32,
    time: Option<Time>,
) -> Result<(), TarballError> {
    let fd = fd.as_fd();
    fchmod(fd, Mode::from_raw_mode(mode))
        .map_err(|errno| TarballError::io("set the mode of", name, errno))?;
    let Some(time) = time else { return Ok(()) };
    futimens(fd, &time.timestamps())
        .map_err(|errno| TarballError::io("set the time of", name, errno))
}

/// The folder below which everything is written.
pub(super) struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens the folder, which must exist.
    pub(super) fn open(path: &Path) -> Result<Self, TarballError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| TarballError::io("open", &path.to_string_lossy(), errno))?;
        Ok(Self { fd })
    }

    /// Creates a folder. Its final mode is set by [`finish`] at the end of the unpacking.
    pub(super) fn make_folder(&self, name: &str) -> Result<(), TarballError> {
        let (folder, leaf) = split(name);
        let parent = self.parent(name, folder)?;
        mkdirat(&parent, leaf, Mode::RWXU)
            .map_err(|errno| TarballError::io("make the folder", name, errno))
    }

    /// Opens a folder, to set its mode and time.
    pub(super) fn open_folder(&self, name: &str) -> Result<OwnedFd, TarballError> {
        self.resolve(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            .map_err(|errno| TarballError::io("open the folder", name, errno))
    }

    /// Creates a file that must not exist yet.
    pub(super) fn create(&self, name: &str) -> Result<File, TarballError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        self.resolve(name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|errno| TarballError::io("make the file", name, errno))
    }

    /// Removes a file that a later member replaces.
    pub(super) fn remove(&self, name: &str) -> Result<(), TarballError> {
        let (folder, leaf) = split(name);
        let parent = self.parent(name, folder)?;
        unlinkat(&parent, leaf, AtFlags::empty())
            .map_err(|errno| TarballError::io("replace", name, errno))
    }

    /// Creates a hard link.
    pub(super) fn link(&self, target: &str, name: &str) -> Result<(), TarballError> {
        let (target_folder, target_leaf) = split(target);
        let (folder, leaf) = split(name);
        let from = self.parent(name, target_folder)?;
        let to = self.parent(name, folder)?;
        linkat(&from, target_leaf, &to, leaf, AtFlags::empty())
            .map_err(|errno| TarballError::io("make the hard link", name, errno))
    }

    /// Creates a symlink with any target.
    pub(super) fn symlink(&self, target: &str, name: &str, time: Time) -> Result<(), TarballError> {
        let (folder, leaf) = split(name);
        let parent = self.parent(name, folder)?;
        symlinkat(target, &parent, leaf)
            .map_err(|errno| TarballError::io("make the symlink", name, errno))?;
        utimensat(&parent, leaf, &time.timestamps(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| TarballError::io("set the time of", name, errno))
    }

    fn parent(&self, member: &str, folder: &str) -> Result<OwnedFd, TarballError> {
        self.resolve(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map_err(|errno| TarballError::io("open the folder of", member, errno))
    }

    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match openat2(&self.fd, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN) if attempt < ATTEMPTS => {}
                answer => return answer,
            }
        }
    }
}
