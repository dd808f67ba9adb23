//! Writes generated files of the repository, or compares them with the committed ones.

use std::path::{Path, PathBuf};

/// A generated file cannot be written or is out of date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Committed files are out of date.
    #[error("out of date: {}; run `cargo xtask {command}`", .files.join(", "))]
    Stale {
        /// Paths below the root of the repository.
        files: Vec<String>,
        /// The command that writes them.
        command: &'static str,
    },
}

impl Error {
    /// For `map_err`: adds the path to an error of the system.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Path below the root of the repository, and content.
pub type File = (String, String);

/// The root of the repository.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Writes files below the root, or with `check` only compares them. `command` is the subcommand that writes
/// them, for the error.
///
/// # Errors
/// When a file cannot be written, or with `check` when one differs.
pub fn put(files: &[File], check: bool, command: &'static str) -> Result<(), Error> {
    let mut stale = Vec::new();
    for (name, text) in files {
        let path = root().join(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        if check {
            stale.push(name.clone());
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        std::fs::write(&path, text).map_err(Error::io(path))?;
    }
    if stale.is_empty() { Ok(()) } else { Err(Error::Stale { files: stale, command }) }
}
