//! The programs that the harness needs and that Debian 12 does not have in a suitable version.
//!
//! They are built from the pinned Go modules in `tests/toolchain/`, into a folder outside the checkout whose name is a
//! hash of everything that affects the result, so that they are built only once.

mod cache;
mod cargo_tools;
pub mod debian;
mod family;
mod go;

use std::path::{Path, PathBuf};

pub use cache::cache_dir;
pub use cargo_tools::{cargo_path, cargo_tools};
pub use family::{Family, Program};

use crate::progress::Progress;

/// Why a program of the harness cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the cache could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A program that must be installed by hand is missing (exit code 3 of the project's commands).
    #[error("missing on this machine: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// A command of the toolchain ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Failed {
        /// The command.
        program: String,
        /// Exit status.
        status: String,
        /// The last part of its output.
        output: String,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Checks that everything that the tests need in addition to Rust is installed, before anything is started. As root,
/// it installs missing Debian packages.
///
/// # Errors
/// [`Error::Missing`] with a list of everything that is missing.
pub async fn ensure_machine(progress: &Progress) -> Result<(), Error> {
    let mut missing: Vec<String> = go::missing().await.into_iter().collect();
    if !rustix::process::geteuid().is_root() {
        missing.insert(0, "root (for network namespaces and containers)".to_owned());
        missing.extend(debian::missing().into_iter().map(str::to_owned));
    }
    if missing.is_empty() { debian::ensure(progress).await } else { Err(Error::Missing(missing)) }
}

/// Folder with the sources of a Go module of a family, for files that belong to its programs.
///
/// # Errors
/// Go's error.
pub async fn module_sources(family: Family, module: &str) -> Result<PathBuf, Error> {
    go::sources(module, &cache::module_dir(family)).await
}

/// The folders of built programs, by family. All of them exist.
#[derive(Debug, Clone)]
pub struct Toolchain {
    folders: Vec<(Family, PathBuf)>,
}

impl Toolchain {
    /// Builds the missing programs of `families`. Safe to interrupt: programs are put into the cache by rename.
    pub async fn ensure(families: &[Family], progress: &Progress) -> Result<Self, Error> {
        let mut folders = Vec::new();
        for family in families {
            folders.push((*family, go::ensure(*family, progress).await?));
        }
        Ok(Self { folders })
    }

    /// The folder of a family's programs, if the toolchain contains this family.
    pub fn folder(&self, family: Family) -> Option<&Path> {
        self.folders.iter().find(|(known, _)| *known == family).map(|(_, folder)| folder.as_path())
    }

    /// Path of one program, for example `kubectl`.
    pub fn program(&self, name: &str) -> Result<PathBuf, Error> {
        self.folders
            .iter()
            .filter(|(family, _)| family.programs().iter().any(|program| program.name == name))
            .map(|(_, folder)| folder.join(name))
            .next()
            .ok_or_else(|| Error::Missing(vec![name.to_owned()]))
    }

    /// All folders, for a `PATH`.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|(_, folder)| folder.as_path())
    }
}
