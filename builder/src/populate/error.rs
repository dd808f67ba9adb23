//! Why a cache could not be filled.

use std::{
    io,
    path::{Path, PathBuf},
};

use asu_core::{failure::Failure, make_info::BadInfo, plan::PlanImage, result::PopulateFailure};
use asu_upstream::{SignatureError, TarballError, UpstreamError};

/// Why a cache could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum PopulateError {
    /// This program does not support the plan.
    #[error("{0}")]
    Plan(String),
    /// The download failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// A key of the plan is malformed.
    #[error("a key in the plan is malformed: {0}")]
    Key(SignatureError),
    /// The tarball was refused.
    #[error(transparent)]
    Tarball(#[from] TarballError),
    /// The OCI image does not contain the ImageBuilder that is wanted.
    #[error("the image {0} {1}")]
    Image(String, String),
    /// The OCI image contains files that an ImageBuilder cannot have.
    #[error("the image {0} is refused: {1}")]
    HostileImage(String, String),
    /// The OCI image is larger than a tree may be.
    #[error("the image {0} is larger than an ImageBuilder may be")]
    LargeImage(String),
    /// A command of the warm-up failed.
    #[error("the warm-up failed: {0}")]
    WarmUp(String),
    /// The output of `make info` cannot be parsed.
    #[error("the warm-up failed: {0}")]
    Info(#[from] BadInfo),
    /// Another process is filling the folder.
    #[error(
        "another pod still fills this folder: its Job may have been deleted while its node was unreachable"
    )]
    Locked,
    /// The time limit was exceeded.
    #[error("the warm-up took too long")]
    TimedOut,
    /// A process was OOM-killed.
    #[error("{}", .0.detail)]
    Memory(Failure),
    /// The operating system returned an error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path it was tried with.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

impl PopulateError {
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }

    pub(super) fn image(image: &PlanImage, problem: &str) -> Self {
        Self::Image(image.reference.clone(), problem.to_owned())
    }

    pub(super) fn hostile_image(image: &PlanImage, problem: &str) -> Self {
        Self::HostileImage(image.reference.clone(), problem.to_owned())
    }

    /// The reason for the condition of the cache.
    pub fn reason(&self) -> PopulateFailure {
        match self {
            Self::Plan(_) | Self::Key(_) => PopulateFailure::Internal,
            Self::Upstream(error) => of_upstream(error),
            Self::Tarball(error) => of_tarball(error),
            Self::Image(..) => PopulateFailure::BadArchive,
            Self::HostileImage(..) => PopulateFailure::HostileArchive,
            Self::LargeImage(_) => PopulateFailure::TooLarge,
            Self::WarmUp(_) | Self::Info(_) => PopulateFailure::WarmUpFailed,
            Self::TimedOut | Self::Locked => PopulateFailure::TimedOut,
            Self::Memory(_) => PopulateFailure::OutOfMemory,
            Self::Io { source, .. } => of_io(source),
        }
    }
}

fn of_io(error: &io::Error) -> PopulateFailure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PopulateFailure::NoSpace,
        _ => PopulateFailure::Internal,
    }
}

fn of_upstream(error: &UpstreamError) -> PopulateFailure {
    match error {
        // Only readings of the catalog keep documents.
        UpstreamError::NotKept { .. }
        | UpstreamError::BadAddress { .. }
        | UpstreamError::Setup { .. } => PopulateFailure::Internal,
        UpstreamError::Unavailable { .. } => PopulateFailure::Unavailable,
        UpstreamError::NotFound { .. } => PopulateFailure::NotFound,
        UpstreamError::TooLarge { .. } => PopulateFailure::TooLarge,
        UpstreamError::BrokenOff { .. } => PopulateFailure::DownloadFailed,
        UpstreamError::BadSignature { .. } => PopulateFailure::BadSignature,
        UpstreamError::Malformed { .. }
        | UpstreamError::AnotherDocument { .. }
        | UpstreamError::OlderRevision { .. }
        | UpstreamError::BadChecksum { .. } => PopulateFailure::BadChecksum,
        UpstreamError::Write { source, .. } => of_io(source),
    }
}

fn of_tarball(error: &TarballError) -> PopulateFailure {
    match error {
        _ if error.is_no_space() => PopulateFailure::NoSpace,
        TarballError::Io { .. } => PopulateFailure::Internal,
        TarballError::UnknownCompression
        | TarballError::Truncated
        | TarballError::Malformed { .. }
        | TarballError::TrailingData
        | TarballError::Empty => PopulateFailure::BadArchive,
        TarballError::TooManyEntries { .. }
        | TarballError::TooManyBytes { .. }
        | TarballError::NamesTooLarge { .. } => PopulateFailure::TooLarge,
        _ => PopulateFailure::HostileArchive,
    }
}
