//! How much space a folder takes.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Bytes that the files below `folder` take on disk. Sparse files count with what they really
/// take; what vanishes meanwhile counts nothing; links are not followed.
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
