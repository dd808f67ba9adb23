//! Errors of unpacking: why a tarball was refused. `populate` shows the texts.

use std::io;

/// Maximum number of characters of a member's name in a message.
const MAX_SHOWN: usize = 200;

/// A member's name, cut for a message. Messages print it with `{:?}`, which escapes control characters.
pub(super) fn shown(member: &str) -> String {
    member.chars().take(MAX_SHOWN).collect()
}

/// Why a tarball was refused. `member` is the name of the offending member, cut to 200 characters.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// The archive could not be read, or a member could not be written.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// The failed action, for example `read`.
        action: &'static str,
        /// The member or file.
        path: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The first bytes are neither those of zstd nor of xz.
    #[error("the tarball is neither zstd nor xz")]
    UnknownCompression,
    /// The stream ends before the archive does.
    #[error("the tarball ends too early")]
    Truncated,
    /// The compressed stream or a header is damaged.
    #[error("the tarball is damaged: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// Data other than padding follows the end of the archive.
    #[error("the tarball goes on after its end")]
    TrailingData,
    /// The archive has no member.
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
    /// The name, or the target of a link, is not allowed.
    #[error("member {member:?} has a bad name: {problem}")]
    BadName {
        /// See [`TarballError`].
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name is longer than the system allows.
    #[error("member {member:?} has a name of {length} bytes, more than {limit}")]
    NameTooLong {
        /// See [`TarballError`].
        member: String,
        /// Bytes of the name, or of its longest component.
        length: usize,
        /// Maximum number of bytes.
        limit: usize,
    },
    /// The name has too many components.
    #[error("member {member:?} lies deeper than {limit} folders")]
    TooDeep {
        /// See [`TarballError`].
        member: String,
        /// Maximum number of components.
        limit: usize,
    },
    /// The member is a character or block device.
    #[error("member {member:?} is a device node")]
    Device {
        /// See [`TarballError`].
        member: String,
    },
    /// The member is a named pipe.
    #[error("member {member:?} is a FIFO")]
    Fifo {
        /// See [`TarballError`].
        member: String,
    },
    /// The member is neither a file, a folder, a symlink nor a hard link.
    #[error("member {member:?} is of the unknown type {kind:?}")]
    UnknownType {
        /// See [`TarballError`].
        member: String,
        /// Type byte of its header.
        kind: char,
    },
    /// The member is a sparse file.
    #[error("member {member:?} is a sparse file")]
    Sparse {
        /// See [`TarballError`].
        member: String,
    },
    /// An extension header has a record that is not allowed.
    #[error("the extension header of member {member:?} is refused: {detail}")]
    Extension {
        /// See [`TarballError`].
        member: String,
        /// The record.
        detail: String,
    },
    /// The member lies below a symlink of the archive.
    #[error("member {member:?} would be written through the symlink {symlink:?}")]
    ThroughSymlink {
        /// See [`TarballError`].
        member: String,
        /// The symlink's name.
        symlink: String,
    },
    /// The member lies below a member that is not a folder.
    #[error("member {member:?} lies below {parent:?}, which is a file")]
    BelowFile {
        /// See [`TarballError`].
        member: String,
        /// The file's name.
        parent: String,
    },
    /// Two members with the same name have different types.
    #[error("member {member:?} is there twice with different types")]
    TypeConflict {
        /// See [`TarballError`].
        member: String,
    },
    /// The member is a hard link whose target is not an earlier regular file.
    #[error("member {member:?} is a hard link to {target:?}, which is no earlier regular member")]
    HardLink {
        /// See [`TarballError`].
        member: String,
        /// What it links to.
        target: String,
    },
    /// The archive has more members than allowed.
    #[error("member {member:?} is one too many: more than {limit} entries")]
    TooManyEntries {
        /// See [`TarballError`].
        member: String,
        /// Maximum number of members.
        limit: u64,
    },
    /// The archive has more content than allowed.
    #[error("member {member:?} makes the content larger than {limit} bytes")]
    TooManyBytes {
        /// See [`TarballError`].
        member: String,
        /// Maximum number of bytes.
        limit: u64,
    },
    /// The names of all members together take more memory than allowed.
    #[error("member {member:?} makes all names together longer than {limit} bytes")]
    NamesTooLarge {
        /// See [`TarballError`].
        member: String,
        /// Maximum number of bytes.
        limit: usize,
    },
    /// The archive has a second top-level folder.
    #[error("member {member:?} lies outside the top folder {top:?}")]
    SecondTop {
        /// See [`TarballError`].
        member: String,
        /// Name of the first top-level folder.
        top: String,
    },
    /// A top-level member is not a folder.
    #[error("member {member:?} lies at the top and is no folder")]
    TopNotFolder {
        /// See [`TarballError`].
        member: String,
    },
}

impl TarballError {
    /// A system error about `path`.
    pub(super) fn io(action: &'static str, path: &str, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: shown(path), source: source.into() }
    }

    /// Whether the system failed rather than the archive, so that a retry may succeed.
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

    /// The offending member, if the error is about one.
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
