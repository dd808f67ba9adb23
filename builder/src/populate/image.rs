//! Copies an ImageBuilder from an OCI image, which Kubernetes mounts read-only as an image volume. Called
//! by `populate` instead of the download.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path},
};

use asu_core::plan::{PlanImage, PopulatePlan};

use super::{PopulateError, Size};
use crate::{files::make_folder, workspace::copy};

/// Bits of a mode that no file of an ImageBuilder has: setuid, setgid and sticky.
const SPECIAL_BITS: u32 = 0o7000;
/// Maximum depth of folders.
const MAX_DEPTH: usize = 64;

/// Copies the tree of the mounted image `mounted` to the new folder `to`.
///
/// # Errors
/// When the image has no such folder, is too large, or has files that an ImageBuilder cannot have.
pub(super) fn copy_tree(
    plan: &PopulatePlan,
    image: &PlanImage,
    mounted: &Path,
    to: &Path,
) -> Result<Size, PopulateError> {
    let from = folder(image, mounted)?;
    let mut size = Size { entries: 0, bytes: 0 };
    measure(&from, plan, image, 0, &mut size)?;
    make_folder(to).map_err(PopulateError::io("make", to))?;
    copy(&from.join("."), to).map_err(PopulateError::io("copy to", to))?;
    println!("populate: copied {} entries, {} bytes", size.entries, size.bytes);
    Ok(size)
}

/// The folder of the ImageBuilder. It is below the mount without a symbolic link in between.
fn folder(image: &PlanImage, mounted: &Path) -> Result<std::path::PathBuf, PopulateError> {
    let mut folder = mounted.to_path_buf();
    for component in Path::new(&image.path).components() {
        let Component::Normal(name) = component else {
            return Err(PopulateError::Plan(format!("{:?} is no folder of an image", image.path)));
        };
        folder.push(name);
        if !fs::symlink_metadata(&folder).is_ok_and(|data| data.is_dir()) {
            let problem = format!("has no folder /{}", image.path);
            return Err(PopulateError::image(image, &problem));
        }
    }
    if fs::symlink_metadata(folder.join("Makefile")).is_ok_and(|data| data.is_file()) {
        Ok(folder)
    } else {
        Err(PopulateError::image(image, &format!("has no ImageBuilder in /{}", image.path)))
    }
}

/// Adds up entries and bytes. An image volume cannot change meanwhile.
fn measure(
    folder: &Path,
    plan: &PopulatePlan,
    image: &PlanImage,
    depth: usize,
    size: &mut Size,
) -> Result<(), PopulateError> {
    let unreadable = |error| PopulateError::io("read", folder)(error);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let data = fs::symlink_metadata(&path).map_err(PopulateError::io("read", &path))?;
        let shown = || path.display().to_string().chars().take(200).collect::<String>();
        let kind = data.file_type();
        if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            return Err(PopulateError::hostile_image(image, &format!("{} is a device", shown())));
        }
        if !kind.is_symlink() && data.mode() & SPECIAL_BITS != 0 {
            let problem = format!("{} has a special mode", shown());
            return Err(PopulateError::hostile_image(image, &problem));
        }
        size.entries = size.entries.saturating_add(1);
        if kind.is_file() {
            size.bytes = size.bytes.saturating_add(data.len());
        }
        if size.entries > plan.max_entries || size.bytes > plan.max_tree_bytes || depth > MAX_DEPTH
        {
            return Err(PopulateError::LargeImage(image.reference.clone()));
        }
        if kind.is_dir() {
            measure(&path, plan, image, depth.saturating_add(1), size)?;
        }
    }
    Ok(())
}
