//! Lets only one `populate` run in a folder: two would remove each other's temporary trees. A
//! kernel lock is used, so it is released however its holder ends.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::PopulateError;

/// Name of the locked file. It is never removed: otherwise two processes could lock two different
/// files.
const FILE: &str = ".populate.lock";
/// Time between two tries to take the lock.
const AGAIN: Duration = Duration::from_millis(500);

/// Whether this process has the folder to itself.
#[derive(Debug)]
pub enum FolderLock {
    /// It holds the lock, as long as the file is open.
    Locked(#[expect(dead_code, reason = "held, never read")] File),
    /// Unknown: the volume does not support locks.
    Unknown,
}

/// Tries to take the lock; `None` if another process has it.
///
/// # Errors
/// When the folder or the file cannot be made.
pub fn take(folder: &Path) -> Result<Option<FolderLock>, PopulateError> {
    fs::create_dir_all(folder).map_err(PopulateError::io("make", folder))?;
    let path = folder.join(FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(PopulateError::io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(FolderLock::Locked(file))),
        Err(Errno::AGAIN) => Ok(None),
        Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(FolderLock::Unknown)),
        Err(error) => Err(PopulateError::io("lock", &path)(std::io::Error::from(error))),
    }
}

/// Waits for the lock.
///
/// # Errors
/// As [`take`]; [`PopulateError::Locked`] at the deadline.
pub async fn wait(folder: &Path, deadline: Instant) -> Result<FolderLock, PopulateError> {
    loop {
        if let Some(alone) = take(folder)? {
            return Ok(alone);
        }
        if Instant::now() >= deadline {
            return Err(PopulateError::Locked);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_run_in_a_folder_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tree");
        let first = take(&folder).unwrap().unwrap();
        assert!(take(&folder).unwrap().is_none());
        let over = wait(&folder, Instant::now()).await;
        assert!(matches!(over, Err(PopulateError::Locked)));
        let later = Instant::now() + Duration::from_secs(20);
        let (second, ()) = tokio::join!(wait(&folder, later), async { drop(first) });
        assert!(matches!(second, Ok(FolderLock::Locked(_))));
    }
}
