//! Release builds of the programs, with a cache of compiled dependencies in the project's cache folder.
//! Dependencies take most of the ten minutes of such a build on two cores, and are the same in every
//! checkout. The workspace's own crates are not cached, because cargo decides by the times of their
//! files whether they are fresh.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::SystemTime,
};

use asu_core::digest::Digest;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::Error;
use crate::{exec, progress::Progress, toolchain::cache_dir};

/// Folders of cargo's output with compiled dependencies.
const PARTS: [&str; 3] = [".fingerprint", "build", "deps"];
/// Number of cached builds that are kept.
const KEPT: usize = 2;

/// Builds programs of this workspace with the release profile.
///
/// # Errors
/// cargo's error, or a folder that cannot be used.
pub async fn build(packages: &[&str], progress: &Progress) -> Result<(), Error> {
    let target = crate::target_dir().join("release");
    let kept = cache_dir().join("release").join(key().await?);
    if kept.is_dir() && !target.join(PARTS[0]).exists() {
        progress.step("take compiled dependencies", copy(&kept, &target, |_| true)).await?;
    }
    progress.step("build the programs", cargo(packages)).await?;
    if !kept.is_dir() {
        keep(&target, &kept).await?;
    }
    Ok(())
}

async fn cargo(packages: &[&str]) -> Result<(), Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--quiet"]).current_dir(crate::root());
    for package in packages {
        command.args(["--package", package]);
    }
    exec::run(command).await?;
    Ok(())
}

/// Cache key: hash of everything that affects the compilation of dependencies: the compiler, the lock
/// file, features and profiles, and flags in the environment.
async fn key() -> Result<String, Error> {
    let mut hasher = Sha256::new();
    let mut version = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    version.arg("-vV").current_dir(crate::root());
    hasher.update(exec::run(version).await?);
    for path in manifests()? {
        hasher.update(std::fs::read(&path).map_err(|source| Error::Io { path, source })?);
    }
    for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CC", "CFLAGS"] {
        hasher.update(std::env::var_os(name).unwrap_or_default().as_encoded_bytes());
        hasher.update([0]);
    }
    Ok(Digest::from_hasher(hasher).to_string().chars().take(16).collect())
}

/// Paths of the lock file, and of the manifests of the workspace and its members.
fn manifests() -> Result<Vec<PathBuf>, Error> {
    let root = crate::root();
    let io = |source| Error::Io { path: root.clone(), source };
    let mut found = vec![root.join("Cargo.lock"), root.join("Cargo.toml")];
    for entry in std::fs::read_dir(&root).map_err(io)? {
        let manifest = entry.map_err(io)?.path().join("Cargo.toml");
        if manifest.is_file() {
            found.push(manifest);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether an entry of cargo's folders belongs to a crate of this workspace.
fn is_own(name: &str) -> bool {
    name.strip_prefix("lib").unwrap_or(name).starts_with("asu") || name.starts_with("xtask")
}

/// Stores compiled dependencies in the cache, atomically, and removes old entries.
async fn keep(target: &Path, kept: &Path) -> Result<(), Error> {
    let folder = kept.parent().unwrap_or(kept);
    let io = |source| Error::Io { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let unfinished = tempfile::tempdir_in(folder).map_err(io)?;
    copy(target, unfinished.path(), |name| !is_own(name)).await?;
    // Another process may have stored the same entry meanwhile.
    match std::fs::rename(unfinished.path(), kept) {
        Ok(()) => {
            let _ = unfinished.keep();
        }
        Err(_) if kept.is_dir() => {}
        Err(source) => return Err(Error::Io { path: kept.to_owned(), source }),
    }
    forget_older(folder)
}

fn forget_older(folder: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    let mut builds: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let made = entry.metadata().and_then(|data| data.modified()).map_err(io)?;
        builds.push((made, entry.path()));
    }
    builds.sort();
    let older = builds.len().saturating_sub(KEPT);
    for (_, path) in builds.into_iter().take(older) {
        std::fs::remove_dir_all(&path).map_err(|source| Error::Io { path, source })?;
    }
    Ok(())
}

/// Copies the folders of cargo's output with file times, by which cargo decides what is fresh.
async fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
    for part in PARTS {
        let (from, to) = (from.join(part), to.join(part));
        std::fs::create_dir_all(&to).map_err(|source| Error::Io { path: to.clone(), source })?;
        let io = |source| Error::Io { path: from.clone(), source };
        let mut names: Vec<OsString> = Vec::new();
        for entry in std::fs::read_dir(&from).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            if wanted(&name.to_string_lossy()) {
                names.push(name);
            }
        }
        for names in names.chunks(500) {
            let mut command = Command::new("cp");
            command.args(["--archive", "--reflink=auto", "--target-directory"]);
            command.arg(&to).arg("--").args(names).current_dir(&from);
            exec::run(command).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, part: &str, name: &str) {
        let folder = root.join(part);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), name).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_is_compiled_of_others_is_kept_with_its_times_and_nothing_of_this_workspace() {
        let (target, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for part in PARTS {
            for name in
                ["serde-1", "libserde-1.rlib", "asu-core-1", "libasu_core-1.rlib", "xtask-1"]
            {
                put(target.path(), part, name);
            }
        }
        let kept = cache.path().join("release/key");
        keep(target.path(), &kept).await.unwrap();
        for part in PARTS {
            assert_eq!(names(&kept.join(part)), ["libserde-1.rlib", "serde-1"]);
        }
        let time = |root: &Path| root.join("deps/serde-1").metadata().unwrap().modified().unwrap();
        assert_eq!(time(target.path()), time(&kept));
        keep(target.path(), &kept).await.unwrap();
        assert_eq!(names(&cache.path().join("release")), ["key"], "nothing unfinished is left");
    }

    #[test]
    fn only_the_newest_builds_are_kept() {
        let cache = tempfile::tempdir().unwrap();
        for (age, name) in [(30, "oldest"), (20, "older"), (10, "newest")] {
            put(cache.path(), name, "x");
            let folder = std::fs::File::open(cache.path().join(name)).unwrap();
            let made = SystemTime::now() - std::time::Duration::from_secs(age);
            folder.set_modified(made).unwrap();
        }
        forget_older(cache.path()).unwrap();
        assert_eq!(names(cache.path()), ["newest", "older"]);
    }

    #[tokio::test]
    async fn the_key_is_the_same_for_the_same_checkout() {
        assert_eq!(key().await.unwrap(), key().await.unwrap());
        assert!(manifests().unwrap().len() > 9, "those of all members");
    }
}
