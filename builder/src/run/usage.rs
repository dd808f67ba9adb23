//! Measures how much disk space a folder uses. Used for the limit of the work folder.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Bytes that the files below `folder` use on disk. Sparse files count with their allocated blocks;
/// files that are removed meanwhile do not count; links are not followed.
pub fn bytes_below(folder: &Path) -> u64 {
    let mut total: u64 = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(info) = entry.metadata() else { continue };
            total = total.saturating_add(info.blocks().saturating_mul(512));
            if info.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    total
}
