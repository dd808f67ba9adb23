//! Records the names that the archive has used so far, with their types, and refuses members that
//! contradict them. Used by `unpack`; touches no file.

use std::collections::HashMap;

use super::error::{TarballError, shown};
use super::name;

/// Maximum size in bytes of all names and link targets together, which are kept in memory until the
/// end. A real tarball has a few MiB.
const MAX_NAMES: usize = 128 << 20;

/// Type of the entry with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A folder: a member of its own, or implied by the name of another member.
    Folder,
    /// A regular file.
    File,
    /// A hard link: another name of a regular file.
    HardLink,
    /// A symlink, created at the end.
    Symlink,
}

impl Shape {
    /// Whether one may replace the other: both are regular files.
    fn is_like(self, other: Self) -> bool {
        let file = |shape| matches!(shape, Self::File | Self::HardLink);
        self == other || (file(self) && file(other))
    }
}

/// Whether a name was already used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It was not used.
    New,
    /// An earlier member with the same name may be replaced: it has the same type.
    Again,
}

impl Entered {
    /// Whether nothing with this name exists on disk yet.
    pub(super) fn is_new(self) -> bool {
        self == Self::New
    }
}

/// The names used so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    seen: HashMap<String, Shape>,
    top: Option<String>,
    name_bytes: usize,
}

impl Ledger {
    /// The top-level folder.
    pub(super) fn top(&self) -> Option<&str> {
        self.top.as_deref()
    }

    /// Checks and records the folders above `member`. Returns the new ones, outermost first.
    pub(super) fn enter_parents(&mut self, member: &str) -> Result<Vec<String>, TarballError> {
        self.check_top(member)?;
        let mut new = Vec::new();
        for parent in name::parents(member) {
            match self.seen.get(parent) {
                Some(Shape::Folder) => {}
                Some(Shape::Symlink) => {
                    return Err(TarballError::ThroughSymlink {
                        member: shown(member),
                        symlink: shown(parent),
                    });
                }
                Some(Shape::File | Shape::HardLink) => {
                    return Err(TarballError::BelowFile {
                        member: shown(member),
                        parent: shown(parent),
                    });
                }
                None => {
                    self.count_name(member, parent)?;
                    self.seen.insert(parent.to_owned(), Shape::Folder);
                    new.push(parent.to_owned());
                }
            }
        }
        Ok(new)
    }

    /// Checks and records `member` itself, after [`Self::enter_parents`].
    pub(super) fn enter(&mut self, member: &str, shape: Shape) -> Result<Entered, TarballError> {
        if shape != Shape::Folder && !member.contains('/') {
            return Err(TarballError::TopNotFolder { member: shown(member) });
        }
        self.count_name(member, member)?;
        match self.seen.get_mut(member) {
            None => {
                self.seen.insert(member.to_owned(), shape);
                Ok(Entered::New)
            }
            Some(taken) if taken.is_like(shape) => {
                *taken = shape;
                Ok(Entered::Again)
            }
            Some(taken) => {
                let taken = *taken;
                Err(self.conflict(member, taken, shape))
            }
        }
    }

    /// Checks that the target of a hard link is an earlier regular file other than the link itself.
    pub(super) fn check_hard_link(&self, member: &str, target: &str) -> Result<(), TarballError> {
        if member != target && self.seen.get(target) == Some(&Shape::File) {
            return Ok(());
        }
        Err(TarballError::HardLink { member: shown(member), target: shown(target) })
    }

    /// Counts the memory for `text`, a name or link target of `member`.
    pub(super) fn count_name(&mut self, member: &str, text: &str) -> Result<(), TarballError> {
        self.name_bytes = self.name_bytes.saturating_add(text.len());
        if self.name_bytes > MAX_NAMES {
            return Err(TarballError::NamesTooLarge { member: shown(member), limit: MAX_NAMES });
        }
        Ok(())
    }

    fn check_top(&mut self, member: &str) -> Result<(), TarballError> {
        let first = member.split('/').next().unwrap_or(member);
        let top = self.top.get_or_insert_with(|| first.to_owned());
        if top == first {
            return Ok(());
        }
        Err(TarballError::SecondTop { member: shown(member), top: shown(top) })
    }

    /// The error for a second member with another type. A symlink that would replace a folder with
    /// members has its own error: these members would lie below the symlink.
    fn conflict(&self, member: &str, taken: Shape, shape: Shape) -> TarballError {
        let prefix = format!("{member}/");
        let below = self.seen.keys().find(|name| name.starts_with(&prefix));
        match below {
            Some(below) if taken == Shape::Folder && shape == Shape::Symlink => {
                TarballError::ThroughSymlink { member: shown(below), symlink: shown(member) }
            }
            _ => TarballError::TypeConflict { member: shown(member) },
        }
    }
}
