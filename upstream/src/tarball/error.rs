//! Why a tarball was refused.

use std::io;

/// Longest part of a member's name in a message, in characters.
const MAX_SHOWN: usize = 200;

/// A member's name for a message: bounded; the messages quote it, so control characters show.
pub(super) fn shown(member: &str) -> String {
    member.chars().take(MAX_SHOWN).collect()
}

/// Why a tarball was refused. `member` names the one that broke the rule, cut to 200 characters.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// The archive could not be read, or a member could not be written.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The member or file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The first bytes are neither those of zstd nor of xz.
    #[error("the tarball is neither zstd nor xz")]
    UnknownCompression,
    /// It ends too early.
    #[error("the tarball ends too early")]
    Truncated,
    /// The compressed stream or a header is damaged.
    #[error("the tarball is damaged: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// Something follows the end of the archive.
    #[error("the tarball goes on after its end")]
    TrailingData,
    /// It has no member.
    #[error("the tarball is empty")]
    Empty,
    /// The name starts with `/`.
    #[error("member {member:?} has an absolute name")]
    AbsoluteName {
        /// See [`TarballError`].
        member: String,
    },
    /// The name has a component `..`.
    #[error("member {member:?} has `..` in its name")]
    ParentComponent {
        /// See [`TarballError`].
        member: String,
    },
    /// The name or the target of a link is not one that we write.
    #[error("member {member:?} has a bad name: {problem}")]
    BadName {
        /// See [`TarballError`].
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name is longer than the system takes.
    #[error("member {member:?} has a name of {length} bytes, more than {limit}")]
    NameTooLong {
        /// See [`TarballError`].
        member: String,
        /// Bytes of the name, or of its longest component.
        length: usize,
        /// Most bytes.
        limit: usize,
    },
    /// The name has too many components.
    #[error("member {member:?} lies deeper than {limit} folders")]
    TooDeep {
        /// See [`TarballError`].
        member: String,
        /// Most components.
        limit: usize,
    },
    /// A character or block device.
    #[error("member {member:?} is a device node")]
    Device {
        /// See [`TarballError`].
        member: String,
    },
    /// A named pipe.
    #[error("member {member:?} is a FIFO")]
    Fifo {
        /// See [`TarballError`].
        member: String,
    },
    /// Another type than file, folder, symlink, hard link.
    #[error("member {member:?} is of the unknown type {kind:?}")]
    UnknownType {
        /// See [`TarballError`].
        member: String,
        /// Type byte of its header.
        kind: char,
    },
    /// A sparse file.
    #[error("member {member:?} is a sparse file")]
    Sparse {
        /// See [`TarballError`].
        member: String,
    },
    /// An extension header says something that a plain archive does not need.
    #[error("the extension header of member {member:?} is refused: {detail}")]
    Extension {
        /// See [`TarballError`].
        member: String,
        /// What it says.
        detail: String,
    },
    /// It would be written through a symlink of the archive.
    #[error("member {member:?} would be written through the symlink {symlink:?}")]
    ThroughSymlink {
        /// See [`TarballError`].
        member: String,
        /// The symlink's name.
        symlink: String,
    },
    /// It lies below something that is no folder.
    #[error("member {member:?} lies below {parent:?}, which is a file")]
    BelowFile {
        /// See [`TarballError`].
        member: String,
        /// The file's name.
        parent: String,
    },
    /// Two members of one name are of different types.
    #[error("member {member:?} is there twice with different types")]
    TypeConflict {
        /// See [`TarballError`].
        member: String,
    },
    /// A hard link to something else than an earlier regular member.
    #[error("member {member:?} is a hard link to {target:?}, which is no earlier regular member")]
    HardLink {
        /// See [`TarballError`].
        member: String,
        /// What it links to.
        target: String,
    },
    /// More members than allowed.
    #[error("member {member:?} is one too many: more than {limit} entries")]
    TooManyEntries {
        /// See [`TarballError`].
        member: String,
        /// Most entries.
        limit: u64,
    },
    /// More content than allowed.
    #[error("member {member:?} makes the content larger than {limit} bytes")]
    TooManyBytes {
        /// See [`TarballError`].
        member: String,
        /// Most bytes.
        limit: u64,
    },
    /// The names alone take more memory than allowed.
    #[error("member {member:?} makes all names together longer than {limit} bytes")]
    NamesTooLarge {
        /// See [`TarballError`].
        member: String,
        /// Most bytes.
        limit: usize,
    },
    /// A second folder at the top.
    #[error("member {member:?} lies outside the top folder {top:?}")]
    SecondTop {
        /// See [`TarballError`].
        member: String,
        /// The first one.
        top: String,
    },
    /// Something at the top that is no folder.
    #[error("member {member:?} lies at the top and is no folder")]
    TopNotFolder {
        /// See [`TarballError`].
        member: String,
    },
}

impl TarballError {
    /// An error of the system about `path`.
    pub(super) fn io(action: &'static str, path: &str, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: shown(path), source: source.into() }
    }

    /// Whether the system failed, not the archive: trying again may help.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// Whether the volume is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }

    /// The member at fault, where one is.
    pub fn member(&self) -> Option<&str> {
        match self {
            Self::Io { path, .. } => Some(path),
            Self::UnknownCompression
            | Self::Truncated
            | Self::Malformed { .. }
            | Self::TrailingData
            | Self::Empty => None,
            Self::AbsoluteName { member }
            | Self::ParentComponent { member }
            | Self::BadName { member, .. }
            | Self::NameTooLong { member, .. }
            | Self::TooDeep { member, .. }
            | Self::Device { member }
            | Self::Fifo { member }
            | Self::UnknownType { member, .. }
            | Self::Sparse { member }
            | Self::Extension { member, .. }
            | Self::ThroughSymlink { member, .. }
            | Self::BelowFile { member, .. }
            | Self::TypeConflict { member }
            | Self::HardLink { member, .. }
            | Self::TooManyEntries { member, .. }
            | Self::TooManyBytes { member, .. }
            | Self::NamesTooLarge { member, .. }
            | Self::SecondTop { member, .. }
            | Self::TopNotFolder { member } => Some(member),
        }
    }
}
