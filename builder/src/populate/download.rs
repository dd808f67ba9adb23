//! Keeps the downloaded tarball in a folder of its own on the cache's volume, so that a later run, also
//! in another pod, continues a download that was interrupted. Called by `populate`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use asu_core::plan::PopulatePlan;

use super::{PopulateError, fetch};
use crate::files::{make_folder, remove_tree};

/// Name of the folder.
const FOLDER: &str = "download";

/// A complete and verified tarball.
#[derive(Debug)]
pub(super) struct Tarball {
    folder: PathBuf,
    file: PathBuf,
}

impl Tarball {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// Removes the tarball with its folder.
    pub(super) fn remove(self) -> Result<(), PopulateError> {
        remove_tree(&self.folder).map_err(PopulateError::io("remove", &self.folder))
    }
}

/// Downloads the plan's tarball below `volume`, or continues the download of an earlier run.
pub(super) async fn fetch(volume: &Path, plan: &PopulatePlan) -> Result<Tarball, PopulateError> {
    let folder = volume.join(FOLDER);
    if !folder.is_dir() {
        make_folder(&folder).map_err(PopulateError::io("make", &folder))?;
    }
    let file = folder.join("tarball");
    let fetched = fetch::fetch(plan, &file).await;
    if fetched.is_err() {
        // Fails if a part is left that the next run continues.
        let _ = fs::remove_dir(&folder);
    }
    fetched?;
    Ok(Tarball { folder, file })
}
