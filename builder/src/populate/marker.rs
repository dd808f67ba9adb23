//! Writes the marker beside a finished tree, after the tree has been synced to disk. Called by
//! `populate` as its last step.

use std::{fs::File, path::Path};

use asu_core::plan::Marker;

use super::PopulateError;
use crate::{files::put_durable, paths::Paths};

/// Syncs the tree to disk, then writes the marker.
pub(super) fn write(paths: &Paths, marker: &Marker) -> Result<(), PopulateError> {
    println!("populate: writing to disk");
    let folder = paths.image_builder();
    let opened = File::open(&folder).map_err(PopulateError::io("open", &folder))?;
    rustix::fs::syncfs(&opened).map_err(PopulateError::io("sync", &folder))?;
    let bytes = serde_json::to_vec(marker).map_err(|error| {
        PopulateError::Plan(format!("the marker cannot be serialized: {error}"))
    })?;
    let file = paths.marker();
    put_durable(&file, &bytes).map_err(PopulateError::io("write", &file))
}

/// Syncs the entries of a folder to disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), PopulateError> {
    let opened = File::open(folder).map_err(PopulateError::io("open", folder))?;
    opened.sync_all().map_err(PopulateError::io("sync", folder))
}
