//! Which names the archive has used so far, and for what.

use std::collections::HashMap;

use super::error::{TarballError, shown};
use super::name;

/// Most bytes of all names and link targets together: they are held in memory until the end.
/// A genuine tarball has a few MiB.
const MAX_NAMES: usize = 128 << 20;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A folder, with a member of its own or implied by another.
    Folder,
    /// A regular file.
    File,
    /// Another name of a regular file.
    HardLink,
    /// A symlink, made at the end.
    Symlink,
}

impl Shape {
    /// Whether one may replace the other: both are regular files.
    fn is_like(self, other: Self) -> bool {
        let file = |shape| matches!(shape, Self::File | Self::HardLink);
        self == other || (file(self) && file(other))
    }
}

/// Whether a name was free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It was.
    New,
    /// An earlier member of the same shape has it.
    Again,
}

impl Entered {
    /// Whether nothing of that name lies on disk yet.
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
    /// The one folder at the top.
    pub(super) fn top(&self) -> Option<&str> {
        self.top.as_deref()
    }

    /// Checks the folders above `member`; answers those that are new, outermost first.
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

    /// Notes `member` itself, whose parents were entered.
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

    /// A hard link may only name a regular file that came before, and not itself.
    pub(super) fn check_hard_link(&self, member: &str, target: &str) -> Result<(), TarballError> {
        if member != target && self.seen.get(target) == Some(&Shape::File) {
            return Ok(());
        }
        Err(TarballError::HardLink { member: shown(member), target: shown(target) })
    }

    /// Counts the memory that `text` takes on behalf of `member`.
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

    /// A symlink in the place of a folder that has members: those were written through it.
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
