//! Unpacks the root file system of a firmware image, so that tests can check its content.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::exec;

/// Magic number of a little-endian squashfs.
const SQUASHFS: &[u8] = b"hsqs";

/// Why an image could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image contains no squashfs.
    #[error("the image has no squashfs")]
    NoSquashfs,
    /// unsquashfs failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// The unpacked root file system of an image. Its folder is removed when the value is dropped.
#[derive(Debug)]
pub struct Rootfs {
    folder: tempfile::TempDir,
}

fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, source }
}

impl Rootfs {
    /// Finds the squashfs of an image and unpacks it.
    ///
    /// # Errors
    /// When there is none, or unsquashfs fails.
    pub async fn of(image: &[u8]) -> Result<Self, Error> {
        let offset = image
            .windows(SQUASHFS.len())
            .position(|window| window == SQUASHFS)
            .ok_or(Error::NoSquashfs)?;
        let folder = tempfile::tempdir().map_err(io(std::env::temp_dir()))?;
        let file = folder.path().join("image");
        std::fs::write(&file, image).map_err(io(&file))?;
        let mut command = Command::new("unsquashfs");
        command
            .args(["-quiet", "-no-progress", "-no-xattrs", "-offset", &offset.to_string(), "-dest"])
            .arg(folder.path().join("root"))
            .arg(&file);
        exec::run(command).await?;
        Ok(Self { folder })
    }

    /// Path of a file of the image in the unpacked folder; `path` without a leading slash.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    /// Content of a text file of the image; `None` when it does not exist.
    pub fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    /// Folders and files with a setuid or setgid bit.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn set_ids(&self) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        walk(&self.path(""), &mut found)?;
        Ok(found)
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let metadata = entry.metadata().map_err(io(entry.path()))?;
        if !metadata.is_symlink() && metadata.permissions().mode() & 0o6000 != 0 {
            found.push(entry.path());
        }
        if metadata.is_dir() {
            walk(&entry.path(), found)?;
        }
    }
    Ok(())
}
