//! Makes a workspace that one build may write to from the read-only tree: a link farm, or a copy.
//! Used by `build`. The tree itself is never written to.

use std::{
    fs::{self, DirEntry},
    io,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
};

use asu_core::plan::PackageManager;
use asu_core::repositories_file;

use crate::{
    effective::{Effective, edit_config},
    files::{make_folder, make_fresh_folder, put},
    tree,
};

/// Names of the tree's top folder of which a build has its own copies: what an ImageBuilder writes
/// (reference: `imagebuilder.md` §2.3). `.profiles.mk` is made anew by a rule when it looks older
/// than `.targetinfo`, and must not be written through a link.
const COPIED: [&str; 4] = [".config", ".profiles.mk", "keys", "packages"];
/// Names of the tree's top folder that a workspace does not get.
const ABSENT: [&str; 3] = ["bin", "tmp", "logs"];
/// Extensions of package files that are linked from the tree into a workspace. Indexes are not:
/// they would hide that a feed could not be read.
const SEEDS: [&str; 2] = ["ipk", "apk"];

/// Makes the new folder `workspace` with links to the tree and private copies of what a build
/// writes.
///
/// # Errors
/// The error of the file that could not be made.
pub fn link_farm(tree: &Path, workspace: &Path) -> io::Result<()> {
    make_fresh_folder(workspace)?;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let name = entry.file_name();
        let (name, to) = (name.to_string_lossy(), workspace.join(&name));
        if ABSENT.contains(&name.as_ref()) {
            continue;
        }
        match name.as_ref() {
            "build_dir" => build_dir(&entry.path(), &to)?,
            "dl" => seeds(&entry.path(), &to)?,
            name if is_copied(name) => copy(&entry.path(), &to)?,
            _ => symlink(entry.path(), &to)?,
        }
    }
    for name in ["tmp", "dl"] {
        let folder = workspace.join(name);
        if !folder.exists() {
            make_folder(&folder)?;
        }
    }
    Ok(())
}

fn is_copied(name: &str) -> bool {
    COPIED.contains(&name) || name.starts_with("repositories") || tree::is_own_key(name)
}

/// Links `build_dir`: `build_dir/<arch>/linux-<target>/` becomes a private folder, because builds
/// write there, with links to its large files, which are only read.
fn build_dir(from: &Path, to: &Path) -> io::Result<()> {
    make_folder(to)?;
    for arch in folders(from, to)? {
        let (from, to) = (from.join(arch.file_name()), to.join(arch.file_name()));
        make_folder(&to)?;
        for inner in folders(&from, &to)? {
            let name = inner.file_name();
            let name = name.to_string_lossy();
            if is_made_anew(&name) {
                continue;
            }
            let to = to.join(inner.file_name());
            if !name.starts_with("linux-") {
                symlink(inner.path(), &to)?;
                continue;
            }
            make_folder(&to)?;
            for file in fs::read_dir(inner.path())? {
                let file = file?;
                let name = file.file_name();
                if !is_made_anew(&name.to_string_lossy()) {
                    symlink(file.path(), to.join(name))?;
                }
            }
        }
    }
    Ok(())
}

/// Whether every run removes and makes this name again.
fn is_made_anew(name: &str) -> bool {
    name == "tmp" || name == "json_info_files" || name.starts_with("root")
}

/// Links everything but folders from `from` into `to`, and returns the folders.
fn folders(from: &Path, to: &Path) -> io::Result<Vec<DirEntry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry);
        } else if !is_made_anew(&entry.file_name().to_string_lossy()) {
            symlink(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(found)
}

fn seeds(from: &Path, to: &Path) -> io::Result<()> {
    make_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let path = entry.path();
        let extension = path.extension().map(|text| text.to_string_lossy());
        if extension.is_some_and(|extension| SEEDS.contains(&extension.as_ref())) {
            symlink(&path, to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Makes the new folder `workspace` as a full copy, for trees whose rules write where a link farm
/// has links.
///
/// # Errors
/// When `cp` fails.
pub fn copy_tree(tree: &Path, workspace: &Path) -> io::Result<()> {
    make_fresh_folder(workspace)?;
    copy(&tree.join("."), workspace)?;
    for name in ABSENT {
        crate::files::remove_tree(&workspace.join(name))?;
    }
    make_folder(&workspace.join("tmp"))
}

/// Copies with modes, times and links preserved.
///
/// # Errors
/// The error of `cp`.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let done = Command::new("cp")
        .args(["-dR", "--preserve=mode,timestamps,links", "--reflink=auto", "--"])
        .args([from, to])
        .output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(said.trim().chars().take(300).collect::<String>()))
}

/// Writes the changes of the plan into a workspace.
///
/// # Errors
/// The error of the file that could not be written.
pub fn adapt(
    workspace: &Path,
    package_manager: PackageManager,
    effective: &Effective,
) -> io::Result<()> {
    let file = workspace.join(repositories_file::file_name(package_manager));
    put(&file, effective.repositories_file.as_bytes())?;
    let keys = workspace.join("keys");
    if !effective.keys.is_empty() && !keys.exists() {
        make_folder(&keys)?;
    }
    for (name, key) in &effective.keys {
        put(&keys.join(name), key.as_bytes())?;
    }
    if !effective.config_edits.is_empty() {
        let config = tree::config(workspace).map_err(io::Error::other)?;
        let edited = edit_config(&config, &effective.config_edits);
        put(&workspace.join(".config"), edited.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        for folder in [
            "include",
            "packages",
            "keys",
            "dl",
            "tmp",
            "build_dir/target-x/linux-a_b/tmp",
            "build_dir/target-x/root-a",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            ".config",
            "Makefile",
            "key-build",
            "packages/Packages",
            "dl/x.ipk",
            "dl/feed",
            "build_dir/target-x/linux-a_b/p-kernel.bin",
            "build_dir/target-x/linux-a_b/root.squashfs",
        ] {
            fs::write(root.join(file), file).unwrap();
        }
        tree
    }

    #[test]
    fn written_files_are_private_copies_and_others_are_links() {
        let (tree, place) = (tree(), tempfile::tempdir().unwrap());
        let ws = place.path().join("ws");
        link_farm(tree.path(), &ws).unwrap();
        let is_link = |name: &str| ws.join(name).symlink_metadata().unwrap().is_symlink();
        for linked in
            ["include", "Makefile", "dl/x.ipk", "build_dir/target-x/linux-a_b/p-kernel.bin"]
        {
            assert!(is_link(linked), "{linked}");
        }
        for private in [
            ".config",
            "key-build",
            "packages",
            "packages/Packages",
            "keys",
            "tmp",
            "dl",
            "build_dir/target-x",
            "build_dir/target-x/linux-a_b",
        ] {
            assert!(!is_link(private), "{private}");
        }
        for absent in [
            "dl/feed",
            "build_dir/target-x/root-a",
            "build_dir/target-x/linux-a_b/root.squashfs",
            "build_dir/target-x/linux-a_b/tmp",
        ] {
            assert!(!ws.join(absent).exists(), "{absent}");
        }
    }

    #[test]
    fn writes_to_the_workspace_do_not_change_the_tree() {
        let (tree, place) = (tree(), tempfile::tempdir().unwrap());
        for make in [link_farm, copy_tree] {
            let ws = place.path().join("ws");
            make(tree.path(), &ws).unwrap();
            fs::write(ws.join(".config"), "changed").unwrap();
            fs::write(ws.join("packages/Packages"), "changed").unwrap();
            assert_eq!(fs::read_to_string(tree.path().join(".config")).unwrap(), ".config");
            assert_eq!(
                fs::read_to_string(tree.path().join("packages/Packages")).unwrap(),
                "packages/Packages"
            );
        }
    }
}
