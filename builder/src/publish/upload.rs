//! Copies one untrusted file into the store, and hashes the same bytes that are stored.

use std::{fs::File, io::Read as _};

use asu_core::digest::Digest;
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutPayload, path::Path as Key};
use sha2::{Digest as _, Sha256};

use super::{Publish, PublishError};

/// Size of one part, in bytes. The minimum of S3 is 5 MiB.
const PART: u64 = 8 << 20;

/// How a copy ended.
pub(super) enum Copied {
    /// The whole file was copied.
    Whole {
        /// Size in bytes.
        size: u64,
        /// Digest.
        sha256: Digest,
    },
    /// The file is larger than allowed; nothing was stored.
    TooLarge,
    /// The file cannot be read; nothing was stored.
    Unreadable(std::io::Error),
}

impl Publish<'_> {
    /// Copies `file` to `key`, at most `limit` bytes.
    pub(super) async fn upload(
        &self,
        mut file: File,
        key: &Key,
        limit: u64,
    ) -> Result<Copied, PublishError> {
        let mut upload = self.store.put_multipart(key).await?;
        let (mut hasher, mut size) = (Sha256::new(), 0_u64);
        let problem = loop {
            let mut part = Vec::new();
            // Blocking is acceptable: this process does nothing else meanwhile, and parts come from
            // a local disk.
            match (&mut file).take(PART).read_to_end(&mut part) {
                Ok(0) => break None,
                Ok(read) => size = size.saturating_add(read as u64),
                Err(error) => break Some(Copied::Unreadable(error)),
            }
            if size > limit {
                break Some(Copied::TooLarge);
            }
            hasher.update(&part);
            upload.put_part(PutPayload::from(part)).await?;
        };
        if let Some(problem) = problem {
            upload.abort().await?;
            return Ok(problem);
        }
        if size == 0 {
            // An upload without parts is an error on S3.
            upload.abort().await?;
            self.store.put(key, PutPayload::new()).await?;
        } else {
            upload.complete().await?;
        }
        Ok(Copied::Whole { size, sha256: Digest::from_hasher(hasher) })
    }

    /// Digest and size of an object.
    pub(super) async fn digest(&self, key: &Key) -> Result<(Digest, u64), PublishError> {
        let mut stream = self.store.get(key).await?.into_stream();
        let (mut hasher, mut size) = (Sha256::new(), 0_u64);
        while let Some(bytes) = stream.try_next().await? {
            size = size.saturating_add(bytes.len() as u64);
            hasher.update(&bytes);
        }
        Ok((Digest::from_hasher(hasher), size))
    }

    /// Removes everything below a prefix.
    pub(super) async fn remove_below(&self, prefix: &Key) -> Result<(), PublishError> {
        let found: Vec<_> = self.store.list(Some(prefix)).try_collect().await?;
        for object in found {
            match self.store.delete(&object.location).await {
                Err(object_store::Error::NotFound { .. }) => {}
                other => other?,
            }
        }
        Ok(())
    }
}
