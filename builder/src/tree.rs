//! Reads the properties of an unpacked ImageBuilder from its files. Used by `populate` to describe
//! a new tree, and by `build` and `publish`. Nothing is written here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use asu_core::{
    digest::Digest,
    failure::{Failure, FailureReason},
    image_size::Devices,
    plan::{Marker, PackageManager},
    repositories_file,
    request::{Filesystem, Request},
};

use crate::{
    files::{FileError, read_json, read_text},
    paths::Paths,
};

/// Maximum size of a text file of a tree, in bytes: `.config` has 0.3 MB, the Makefile 20 kB.
const MAX_TEXT: u64 = 4 << 20;

/// Maximum number of files with definitions of devices; the largest board has some 30.
const MAX_DEVICE_FILES: usize = 200;

/// Inner goals of `manifest` and `image`: run one by one, they resolve packages only once.
const INNER_GOALS: [&str; 5] =
    ["_call_manifest", "prepare_rootfs", "build_image", "json_overview_image_info", "checksum"];
/// Variables that these goals use.
const INNER_VARIABLES: [&str; 3] = ["USER_PROFILE", "USER_PACKAGES", "USER_FILES"];
/// The goal that makes the tree's own signing keys.
pub const KEYS_GOAL: &str = "_check_keys";
/// Public part of the key that ImageBuilders up to 24.10 make for themselves and sign images with.
const OWN_KEY: &str = "key-build.pub";
/// The stamp file of the goal that checks the host's tools.
pub const PREREQ_STAMP: &str = "staging_dir/host/.prereq-build";

/// The package generation, by the repositories file that the tree has.
pub fn package_manager(tree: &Path) -> Option<PackageManager> {
    [PackageManager::Opkg, PackageManager::Apk]
        .into_iter()
        .find(|&manager| tree.join(repositories_file::file_name(manager)).is_file())
}

/// The tree's repositories file.
///
/// # Errors
/// When it cannot be read.
pub fn repositories(tree: &Path, manager: PackageManager) -> Result<String, FileError> {
    read_text(&tree.join(repositories_file::file_name(manager)), MAX_TEXT)
}

/// The properties of a finished tree that builds depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Its marker.
    pub marker: Marker,
    /// Its repositories file.
    pub repositories: String,
    /// Digest of the key that it signs images with, when it has one of its own.
    pub key: Option<Digest>,
}

/// Reads a finished tree.
///
/// # Errors
/// [`FailureReason::TreeLost`] when a part of it does not exist, because `populate` made it
/// complete.
pub fn marked(paths: &Paths) -> Result<Marked, Failure> {
    let lost = |error: FileError| {
        Failure::new(FailureReason::TreeLost, format!("The ImageBuilder: {error}"))
    };
    let marker: Marker = read_json(&paths.marker()).map_err(lost)?;
    let tree = paths.tree();
    let repositories = repositories(&tree, marker.package_manager).map_err(lost)?;
    let key = if tree.join(OWN_KEY).exists() {
        let text = read_text(&tree.join(OWN_KEY), MAX_TEXT).map_err(lost)?;
        Some(Digest::of(text.as_bytes()))
    } else {
        None
    };
    Ok(Marked { marker, repositories, key })
}

/// Maximum size of an image of the request's device in bytes, if the tree defines it.
pub fn image_size(tree: &Path, request: &Request) -> Option<u64> {
    let (board, subtarget) = request.target.parts();
    let folder = tree.join("target/linux").join(board).join("image");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|end| end == "mk") || path.ends_with("Makefile")
        })
        .take(MAX_DEVICE_FILES)
        .collect();
    // The subtarget's own files are last: they take precedence where two subtargets define the same
    // device.
    let is_own = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(subtarget))
    };
    files.sort_by_key(|path| (is_own(path), path.clone()));
    let mut devices = Devices::default();
    for file in files {
        devices.read(&read_text(&file, MAX_TEXT).unwrap_or_default());
    }
    devices.image_size(request.profile.as_str())
}

/// The tree's `.config`.
///
/// # Errors
/// When it cannot be read.
pub fn config(tree: &Path) -> Result<String, FileError> {
    read_text(&tree.join(".config"), MAX_TEXT)
}

/// Root file systems that a `.config` enables.
pub fn filesystems(config: &str) -> Vec<Filesystem> {
    Filesystem::ALL
        .iter()
        .copied()
        .filter(|&filesystem| {
            let line = format!("{}=y", config_name(filesystem));
            config.lines().any(|found| found.trim_end() == line)
        })
        .collect()
}

/// Name of a root file system's switch in `.config`.
pub fn config_name(filesystem: Filesystem) -> String {
    let name = match filesystem {
        Filesystem::Ext4 => "EXT4FS".to_owned(),
        other => other.as_str().to_ascii_uppercase().replace('-', "_"),
    };
    format!("CONFIG_TARGET_ROOTFS_{name}")
}

/// Whether the Makefile has a rule for the goal.
pub fn has_goal(makefile: &str, goal: &str) -> bool {
    makefile.lines().any(|line| {
        let targets = line.split_once(':').map(|(targets, _)| targets);
        targets.is_some_and(|targets| targets.split_whitespace().any(|target| target == goal))
    })
}

/// Whether the goals behind `manifest` and `image` can be run one by one.
pub fn has_single_resolution(tree: &Path) -> bool {
    let Ok(makefile) = read_text(&tree.join("Makefile"), MAX_TEXT) else {
        return false;
    };
    INNER_GOALS.iter().all(|goal| has_goal(&makefile, goal))
        && INNER_VARIABLES.iter().all(|name| makefile.contains(name))
}

/// Whether the tree makes signing keys of its own.
pub fn has_keys_goal(tree: &Path) -> bool {
    read_text(&tree.join("Makefile"), MAX_TEXT).is_ok_and(|makefile| has_goal(&makefile, KEYS_GOAL))
}

/// Whether a name of the tree's top folder is a signing key that the tree made itself.
pub fn is_own_key(name: &str) -> bool {
    name.starts_with("key-build")
}

/// Whether the tree has the stamp of a passed prerequisite check.
pub fn is_checked(tree: &Path) -> bool {
    fs::metadata(tree.join(PREREQ_STAMP)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_filesystems_are_read_from_the_configuration() {
        let config = "CONFIG_TARGET_ROOTFS_SQUASHFS=y\n# CONFIG_TARGET_ROOTFS_EXT4FS is not set\nCONFIG_TARGET_ROOTFS_JFFS2_NAND=y\nCONFIG_TARGET_ROOTFS_UBIFS=m\n";
        assert_eq!(filesystems(config), [Filesystem::Squashfs, Filesystem::Jffs2Nand]);
    }

    #[test]
    fn a_goal_is_a_target_of_a_rule() {
        let makefile = "_call_image: staging_dir/x FORCE\n\tmake checksum\na checksum: b\n";
        assert!(has_goal(makefile, "_call_image"));
        assert!(has_goal(makefile, "checksum"));
        assert!(!has_goal(makefile, "FORCE"));
    }
}
