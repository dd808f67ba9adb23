//! Puts the files of a build under the key of what was built, or under a key of the build's own when
//! that one holds other content (see [`asu_core::result::settle`]).

use std::collections::BTreeSet;

use asu_core::{
    build_key::BuildKey,
    digest::Digest,
    result::{
        StoredFile,
        settle::{MAX_ADOPTED, SUMS, Settlement, own_key, settle},
        store_keys,
    },
};
use futures::TryStreamExt as _;
use object_store::{Error, ObjectStoreExt as _, path::Path as Key};

use super::{Publish, PublishError};

/// Maximum number of tries to store a file while retention deletes the existing one.
const TRIES: usize = 3;

/// Where the files are now.
pub(super) struct Settled {
    /// Their key.
    pub(super) key: BuildKey,
    /// What is stored there, sorted by name.
    pub(super) files: Vec<StoredFile>,
    /// Whether it is a key of the build's own, because the build key is already taken.
    pub(super) is_own: bool,
}

fn place(key: &BuildKey, file: &str) -> Key {
    Key::from(store_keys::artifact(key, file))
}

fn is_gone(error: &PublishError) -> bool {
    matches!(error, PublishError::Store(Error::NotFound { .. }))
}

impl Publish<'_> {
    /// Copies every upload to its final key. The uploads are kept: they are needed if another build
    /// takes the key meanwhile.
    pub(super) async fn settle(
        &self,
        build_key: BuildKey,
        mut files: Vec<StoredFile>,
        uploads: &Key,
    ) -> Result<Settled, PublishError> {
        // `sha256sums` is stored last: if it exists, all other files do.
        files.sort_by(|a, b| (a.name == SUMS, &a.name).cmp(&(b.name == SUMS, &b.name)));
        if let Some(mut files) = self.put_shared(&build_key, &files, uploads).await? {
            files.sort_by(|a, b| a.name.cmp(&b.name));
            return Ok(Settled { key: build_key, files, is_own: false });
        }
        let key = own_key(&build_key, &self.plan.uid, self.plan.attempt);
        // Only a killed pod of the same attempt can have left files here.
        self.remove_below(&Key::from(format!("artifacts/{key}"))).await?;
        for file in &files {
            self.store
                .copy(&uploads.clone().join(file.name.as_str()), &place(&key, &file.name))
                .await?;
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Settled { key, files, is_own: true })
    }

    /// Stores the files under the build key, unless it holds other content.
    async fn put_shared(
        &self,
        key: &BuildKey,
        made: &[StoredFile],
        uploads: &Key,
    ) -> Result<Option<Vec<StoredFile>>, PublishError> {
        let stored = self.stored(key, made).await?;
        let sums = self.sums(key, &stored).await?;
        let Settlement::Shared { adopted } = settle(made, &stored, &sums) else {
            return Ok(None);
        };
        let adopted: BTreeSet<String> = adopted.into_iter().collect();
        let mut files = Vec::new();
        for file in made {
            let known = stored.iter().find(|known| known.name == file.name);
            let (file, put) = match known.filter(|_| adopted.contains(&file.name)) {
                Some(known) => (known, self.refresh(&place(key, &known.name)).await?),
                None => (file, self.put_file(key, file, uploads).await?),
            };
            if !put {
                return Ok(None);
            }
            files.push(file.clone());
        }
        Ok(Some(files))
    }

    /// The files stored under a key. For files that this build did not make only the names matter.
    async fn stored(
        &self,
        key: &BuildKey,
        made: &[StoredFile],
    ) -> Result<Vec<StoredFile>, PublishError> {
        let prefix = Key::from(format!("artifacts/{key}"));
        let found: Vec<_> = self.store.list(Some(&prefix)).try_collect().await?;
        let mut stored = Vec::new();
        for object in found {
            let Some(name) = object.location.filename().map(str::to_owned) else { continue };
            let known = made.iter().any(|file| file.name == name);
            if !known {
                stored.push(StoredFile { name, size: object.size, sha256: Digest::of(b"") });
                continue;
            }
            let (sha256, size) = match self.digest(&object.location).await {
                // Retention deleted it meanwhile.
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            stored.push(StoredFile { name, size, sha256 });
        }
        Ok(stored)
    }

    /// Text of the stored sums; nothing when there are none, or more than sums can be.
    async fn sums(&self, key: &BuildKey, stored: &[StoredFile]) -> Result<String, PublishError> {
        if !stored.iter().any(|file| file.name == SUMS && file.size <= MAX_ADOPTED) {
            return Ok(String::new());
        }
        match self.store.get(&place(key, SUMS)).await {
            Err(Error::NotFound { .. }) => Ok(String::new()),
            other => {
                let sums = other?;
                if sums.meta.size > MAX_ADOPTED {
                    return Ok(String::new());
                }
                Ok(String::from_utf8_lossy(&sums.bytes().await?).into_owned())
            }
        }
    }

    /// Writes a stored file again unchanged: retention spares recently written files, and the
    /// operator has not yet recorded that this build needs it.
    async fn refresh(&self, key: &Key) -> Result<bool, PublishError> {
        let stored = match self.store.get(key).await {
            Err(Error::NotFound { .. }) => return Ok(false),
            other => other?,
        };
        let bytes = stored.bytes().await?;
        self.store.put(key, bytes.into()).await?;
        Ok(true)
    }

    /// Stores one file under the key. An existing file with the same content is replaced, for the
    /// same reason as in [`Self::refresh`]. An existing file with other content is kept: another
    /// build came first.
    async fn put_file(
        &self,
        key: &BuildKey,
        file: &StoredFile,
        uploads: &Key,
    ) -> Result<bool, PublishError> {
        let (from, to) = (uploads.clone().join(file.name.as_str()), place(key, &file.name));
        for _ in 0..TRIES {
            match self.store.copy_if_not_exists(&from, &to).await {
                Err(Error::AlreadyExists { .. }) => {}
                other => return Ok(other.map(|()| true)?),
            }
            let sha256 = match self.digest(&to).await {
                Err(error) if is_gone(&error) => continue,
                other => other?.0,
            };
            if sha256 == file.sha256 {
                self.store.copy(&from, &to).await?;
                return Ok(true);
            }
            return Ok(false);
        }
        Ok(false)
    }
}
