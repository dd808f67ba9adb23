//! Removes partial files that killed writers left on a volume. Called by the artifact store.
//!
//! The crate `object_store` writes to `NAME#NUMBER` next to the object and renames that file at the
//! end. A writer that is killed leaves the partial file, and the crate neither lists nor deletes
//! such names.

use std::{fs, io, path::Path, time::SystemTime};

/// Removes partial files below `folder` that were last modified before `before`, and the folders
/// that become empty. Returns the number of removed files.
///
/// # Errors
/// When a file or folder cannot be read or removed. One that disappears meanwhile is not an error.
pub(crate) fn remove(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for entry in present(fs::read_dir(folder))?.into_iter().flatten() {
        let entry = entry?;
        // A store holds many files, so metadata is read only of files with a partial file's name.
        let Some(kind) = present(entry.file_type())? else { continue };
        if kind.is_dir() {
            let inside = remove(&entry.path(), before)?;
            if inside > 0 {
                // Fails for a folder that is not empty, which is intended.
                let _ = fs::remove_dir(entry.path());
            }
            removed += inside;
        } else if is_unfinished(&entry.file_name().to_string_lossy())
            && let Some(metadata) = present(entry.metadata())?
            && metadata.modified()? < before
            && present(fs::remove_file(entry.path()))?.is_some()
        {
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(hours: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(hours)
    }

    #[test]
    fn only_old_unfinished_files_and_their_empty_folders_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (old, young) = (at(1), at(3));
        for (name, time) in [
            ("uploads/dead.1/i.bin#1", old),
            ("artifacts/k/i.bin#0", old),
            ("artifacts/k/i.bin", old),
            ("uploads/live.1/i.bin#1", young),
            ("logs/u#x.zst", old),
            ("logs/u.zst#", old),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(remove(root, at(2)).unwrap(), 2);
        assert!(!root.join("uploads/dead.1").exists());
        for name in ["artifacts/k/i.bin", "uploads/live.1/i.bin#1", "logs/u#x.zst", "logs/u.zst#"] {
            assert!(root.join(name).exists(), "{name}");
        }
    }

    /// Checks the behaviour of `object_store` that this module relies on.
    #[tokio::test]
    async fn a_writer_that_is_killed_leaves_a_file_that_the_crate_does_not_list() {
        use futures::TryStreamExt as _;
        use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload};

        let folder = tempfile::tempdir().unwrap();
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let mut upload = store.put_multipart(&"uploads/u.1/i.bin".into()).await.unwrap();
        upload.put_part(PutPayload::from_static(b"x")).await.unwrap();
        std::mem::forget(upload);
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(listed.len(), 0);
        assert_eq!(remove(folder.path(), at(10_000_000)).unwrap(), 1);
        assert!(!folder.path().join("uploads/u.1").exists());
    }
}
