//! Unpacks an ImageBuilder's tarball, whose content is untrusted. Called by `populate`, and by tests
//! with real tarballs.
//!
//! Checks every member and writes it below one folder, with its mode and time (make compares times
//! and rebuilds a host tool that is older than its source). Must never follow a symlink or write
//! outside the folder. Does not clean up: after an error the caller deletes the folder.
//!
//! Two independent checks keep members inside: the rules of `ledger` on names, and
//! `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)` in `place` for every path.

mod decompress;
mod error;
mod ledger;
mod member;
mod name;
mod place;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::path::Path;

pub use error::TarballError;

use decompress::Decompressed;
use ledger::{Ledger, Shape};
use member::{Content, Member, Members};
use place::{Root, Time};

/// Limits of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Maximum number of members, their extension headers, and folders implied by names.
    pub entries: u64,
    /// Maximum size in bytes of all members' content together; stops decompression bombs.
    pub bytes: u64,
}

impl Default for UnpackLimits {
    /// Several times the largest published ImageBuilder.
    fn default() -> Self {
        Self { entries: 400_000, bytes: 8 << 30 }
    }
}

/// Result of [`unpack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Name of the single top-level folder.
    pub top_dir: String,
    /// Number of members, their extension headers, and folders implied by names.
    pub entries: u64,
    /// Size in bytes of all regular files.
    pub bytes: u64,
}

/// Unpacks `archive` below the existing folder `dest_dir`. The first bytes of the archive decide
/// whether it is read as `.tar.zst` or `.tar.xz`.
///
/// Symlinks are created last and never followed, owners are ignored, setuid, setgid and sticky bits
/// are dropped. Nothing is synced to disk: the caller syncs once, when the tree is complete.
pub fn unpack(
    archive: &Path,
    dest_dir: &Path,
    limits: &UnpackLimits,
) -> Result<Unpacked, TarballError> {
    let root = Root::open(dest_dir)?;
    let mut unpacking = Unpacking::new(root, *limits);
    let stream = Decompressed::open(archive)?;
    let end = stream.end();
    let mut tar = tar::Archive::new(stream);
    {
        let entries = tar.entries().map_err(|source| end.classify(source))?;
        let mut members = Members::new(entries, end.clone());
        while let Some(member) = members.next(&mut unpacking.budget)? {
            unpacking.place(member, &end)?;
        }
    }
    tar.into_inner().expect_only_padding()?;
    unpacking.finish()
}

/// The limits and how much of them is used.
struct Budget {
    limits: UnpackLimits,
    entries: u64,
    bytes: u64,
}

impl Budget {
    /// Counts `number` entries for `member`.
    fn entries(&mut self, member: &str, number: u64) -> Result<(), TarballError> {
        self.entries = self.entries.saturating_add(number);
        if self.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(TarballError::TooManyEntries { member: error::shown(member), limit });
        }
        Ok(())
    }

    /// Counts `number` bytes of content for `member`, before any of them is read.
    fn bytes(&mut self, member: &str, number: u64) -> Result<(), TarballError> {
        self.bytes = self.bytes.saturating_add(number);
        if self.bytes > self.limits.bytes {
            let limit = self.limits.bytes;
            return Err(TarballError::TooManyBytes { member: error::shown(member), limit });
        }
        Ok(())
    }
}

/// A folder whose mode and time are set at the end.
struct Folder {
    name: String,
    mode: u32,
    time: Option<Time>,
}

/// A symlink that is created at the end.
struct Symlink {
    name: String,
    target: String,
    time: Time,
}

struct Unpacking {
    root: Root,
    ledger: Ledger,
    budget: Budget,
    folders: Vec<Folder>,
    symlinks: Vec<Symlink>,
    file_bytes: u64,
}

impl Unpacking {
    fn new(root: Root, limits: UnpackLimits) -> Self {
        Self {
            root,
            ledger: Ledger::default(),
            budget: Budget { limits, entries: 0, bytes: 0 },
            folders: Vec::new(),
            symlinks: Vec::new(),
            file_bytes: 0,
        }
    }

    fn place(
        &mut self,
        member: Member<'_, impl Read>,
        end: &decompress::End,
    ) -> Result<(), TarballError> {
        let Member { name, mode, time, content } = member;
        if name.is_empty() {
            // The member `./`: the folder in which tar was called.
            return match content {
                Content::Folder => Ok(()),
                _ => Err(TarballError::BadName {
                    member: ".".into(),
                    problem: "names the destination itself",
                }),
            };
        }
        self.enter_parents(&name)?;
        match content {
            Content::Folder => self.place_folder(name, mode, time),
            Content::File { size, data } => self.place_file(&name, mode, time, size, data, end),
            Content::HardLink { target } => self.place_hard_link(&name, &target),
            Content::Symlink { target } => {
                self.ledger.enter(&name, Shape::Symlink)?;
                self.ledger.count_name(&name, &target)?;
                self.symlinks.push(Symlink { name, target, time });
                Ok(())
            }
        }
    }

    /// Creates the folders above `name` that do not exist yet.
    fn enter_parents(&mut self, name: &str) -> Result<(), TarballError> {
        for parent in self.ledger.enter_parents(name)? {
            self.budget.entries(name, 1)?;
            self.root.make_folder(&parent)?;
            self.folders.push(Folder { name: parent, mode: 0o755, time: None });
        }
        Ok(())
    }

    fn place_folder(&mut self, name: String, mode: u32, time: Time) -> Result<(), TarballError> {
        if self.ledger.enter(&name, Shape::Folder)?.is_new() {
            self.root.make_folder(&name)?;
        }
        // If a folder occurs twice, mode and time are set twice: the later member wins, as with tar.
        self.folders.push(Folder { name, mode: mode | 0o700, time: Some(time) });
        Ok(())
    }

    fn place_file(
        &mut self,
        name: &str,
        mode: u32,
        time: Time,
        size: u64,
        data: impl Read,
        end: &decompress::End,
    ) -> Result<(), TarballError> {
        if !self.ledger.enter(name, Shape::File)?.is_new() {
            self.root.remove(name)?;
        }
        let mut file = self.root.create(name)?;
        let written = copy(data, &mut file, end).map_err(|failure| failure.of(name))?;
        if written != size {
            return Err(TarballError::Truncated);
        }
        self.file_bytes = self.file_bytes.saturating_add(written);
        place::finish(&file, name, mode, Some(time))
    }

    fn place_hard_link(&mut self, name: &str, target: &str) -> Result<(), TarballError> {
        self.ledger.check_hard_link(name, target)?;
        if !self.ledger.enter(name, Shape::HardLink)?.is_new() {
            self.root.remove(name)?;
        }
        self.root.link(target, name)
    }

    /// Creates the symlinks, then sets modes and times of folders, deepest first. They are set last
    /// because creating an entry changes the time of its folder and needs its write permission.
    fn finish(mut self) -> Result<Unpacked, TarballError> {
        let top_dir = self.ledger.top().ok_or(TarballError::Empty)?.to_owned();
        for (name, link) in last_of_each(self.symlinks) {
            self.root.symlink(&link.target, &name, link.time)?;
        }
        // The sort is stable: the later of two members for the same folder stays the later one.
        self.folders.sort_by_key(|folder| std::cmp::Reverse(folder.name.matches('/').count()));
        for folder in &self.folders {
            let fd = self.root.open_folder(&folder.name)?;
            place::finish(&fd, &folder.name, folder.mode, folder.time)?;
        }
        Ok(Unpacked { top_dir, entries: self.budget.entries, bytes: self.file_bytes })
    }
}

/// The last symlink of each name.
fn last_of_each(symlinks: Vec<Symlink>) -> std::collections::BTreeMap<String, Symlink> {
    symlinks.into_iter().map(|link| (link.name.clone(), link)).collect()
}

/// Whether reading the archive or writing the file failed.
enum CopyFailure {
    Read(TarballError),
    Write(std::io::Error),
}

impl CopyFailure {
    fn of(self, name: &str) -> TarballError {
        match self {
            Self::Read(error) => error,
            Self::Write(source) => TarballError::io("write", name, source),
        }
    }
}

fn copy(
    mut from: impl Read,
    to: &mut impl Write,
    end: &decompress::End,
) -> Result<u64, CopyFailure> {
    let mut buffer = vec![0; 64 << 10];
    let mut total: u64 = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyFailure::Read(end.classify(error))),
        };
        to.write_all(buffer.get(..read).unwrap_or_default()).map_err(CopyFailure::Write)?;
        total = total.saturating_add(read as u64);
    }
}
