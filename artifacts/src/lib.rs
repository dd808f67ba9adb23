//! The artifact store: images, logs and results of builds, on a volume.
//!
//! The operator and the API read, list and delete through [`ArtifactStore`]. Only `publish`, in build
//! pods, writes, to what [`open_volume`] gives. Which keys objects have is said by
//! [`asu_core::result::store_keys`].

mod unfinished;

use std::{fmt, io, ops::Range, path::PathBuf, sync::Arc};

use asu_core::retention::Space;
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, local::LocalFileSystem, path::Path,
};
use rustix::fs::StatVfs;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use url::Url;

/// Bytes that a stream from a volume gives at a time: large enough that the hand-over to a thread,
/// once a piece, hardly counts, and small enough that hundreds of slow readers fit into a pod.
const PIECE: usize = 64 * 1024;

/// A failed call of the artifact store.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The URL names no kind of store that there is.
    #[error("the store URL must be file:///an/absolute/path")]
    Url,
    /// The folder of a volume is not there.
    #[error("the store's folder cannot be opened: {0}")]
    Folder(String),
    /// A key that no object can have.
    #[error("{0:?} is not a key")]
    Key(String),
    /// The object is larger than the caller reads.
    #[error("{key} has {size} bytes, at most {max} are read")]
    TooLarge {
        /// Key.
        key: String,
        /// Its size.
        size: u64,
        /// Most bytes the caller wants.
        max: u64,
    },
    /// There is no such object.
    #[error("{0} is not in the store")]
    NotFound(String),
    /// The store did not answer as it must.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// Whether an object is there as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// With the expected size.
    Present,
    /// Not at all.
    Missing,
    /// With this size.
    OtherSize(u64),
}

/// A store of objects: a folder on a volume.
#[derive(Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    volume: Option<PathBuf>,
}

impl fmt::Debug for ArtifactStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the store itself: an S3 client carries credentials.
        f.debug_struct("ArtifactStore").field("volume", &self.volume).finish_non_exhaustive()
    }
}

/// Opens the store on a volume, for whoever writes to it. What is written is on the disk when the call
/// returns.
///
/// # Errors
/// [`ArtifactError::Folder`] without the folder.
pub fn open_volume(folder: &std::path::Path) -> Result<Arc<dyn ObjectStore>, ArtifactError> {
    let objects = LocalFileSystem::new_with_prefix(folder)
        .map_err(|error| ArtifactError::Folder(error.to_string()))?
        .with_fsync(true)
        // An emptied folder of a build key goes with its last file.
        .with_automatic_cleanup(true);
    Ok(Arc::new(objects))
}

impl ArtifactStore {
    /// Opens the store of `url`: `file:///path` of an existing folder.
    ///
    /// # Errors
    /// [`ArtifactError::Url`] for any other URL, [`ArtifactError::Folder`] without the folder.
    pub fn open(url: &str) -> Result<Self, ArtifactError> {
        let url = Url::parse(url).map_err(|_| ArtifactError::Url)?;
        match url.scheme() {
            "file" => Self::volume(url.to_file_path().map_err(|()| ArtifactError::Url)?),
            _ => Err(ArtifactError::Url),
        }
    }

    fn volume(folder: PathBuf) -> Result<Self, ArtifactError> {
        Ok(Self { objects: open_volume(&folder)?, volume: Some(folder) })
    }

    /// Facts of an object.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`] and the others.
    pub async fn head(&self, key: &str) -> Result<ObjectInfo, ArtifactError> {
        let meta = self.objects.head(&path(key)?).await.map_err(failed(key))?;
        info(&meta)
    }

    /// Whether the object is there with `size` bytes.
    ///
    /// # Errors
    /// Only when the store cannot tell.
    pub async fn presence(&self, key: &str, size: u64) -> Result<Presence, ArtifactError> {
        match self.head(key).await {
            Ok(found) if found.size == size => Ok(Presence::Present),
            Ok(found) => Ok(Presence::OtherSize(found.size)),
            Err(ArtifactError::NotFound(_)) => Ok(Presence::Missing),
            Err(error) => Err(error),
        }
    }

    /// The whole object, `None` when it is not there. Never reads more than `max` bytes.
    ///
    /// # Errors
    /// [`ArtifactError::TooLarge`] and the others.
    pub async fn get_bounded(&self, key: &str, max: u64) -> Result<Option<Bytes>, ArtifactError> {
        let found = match self.objects.get(&path(key)?).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other.map_err(failed(key))?,
        };
        let size = found.meta.size;
        if size > max {
            let key = key.to_owned();
            return Err(ArtifactError::TooLarge { key, size, max });
        }
        found.bytes().await.map(Some).map_err(failed(key))
    }

    /// Streams the bytes of `range`, which the caller has checked against the object's size.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`] and the others, before the first byte. A later error ends the
    /// stream with it, so that a reader never takes a part for the whole.
    pub async fn read_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ArtifactError> {
        if range.is_empty() {
            self.head(key).await?;
            return Ok(stream::empty().boxed());
        }
        let options =
            GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let found = self.objects.get_opts(&path(key)?, options).await.map_err(failed(key))?;
        if found.range != range {
            return Err(ArtifactError::Failed(format!("{key} is shorter than its row says")));
        }
        into_stream(found, range).await
    }

    /// Objects whose key begins with the folder `prefix`, in no order.
    ///
    /// # Errors
    /// In the stream, when the store cannot be listed.
    pub fn list_prefix(
        &self,
        prefix: &str,
    ) -> Result<BoxStream<'static, Result<ObjectInfo, ArtifactError>>, ArtifactError> {
        let shown = prefix.to_owned();
        let found = self.objects.list(Some(&path(prefix)?));
        Ok(found.map(move |meta| meta.map_err(failed(&shown)).and_then(|meta| info(&meta))).boxed())
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn delete(&self, key: &str) -> Result<(), ArtifactError> {
        match self.objects.delete(&path(key)?).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map_err(failed(key)),
        }
    }

    /// Removes what writers that are gone began and did not touch since `before`. Gives the number of
    /// files.
    ///
    /// # Errors
    /// When the volume refuses.
    pub async fn remove_unfinished(&self, before: Timestamp) -> Result<usize, ArtifactError> {
        let Some(folder) = self.volume.clone() else { return Ok(0) };
        let work = move || unfinished::remove(&folder, before.into());
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|error| ArtifactError::Failed(error.to_string()))?;
        done.map_err(|error| ArtifactError::Failed(error.to_string()))
    }

    /// How full the volume is; nothing for a store without bounds.
    ///
    /// # Errors
    /// When the volume does not tell.
    pub fn space(&self) -> Result<Option<Space>, ArtifactError> {
        let Some(folder) = &self.volume else {
            return Ok(None);
        };
        let stat = rustix::fs::statvfs(folder)
            .map_err(|error| ArtifactError::Failed(error.to_string()))?;
        Ok(space_of(&stat))
    }
}

/// As `df` counts: blocks that only root may use are neither in use nor a part of the capacity, or
/// a volume that keeps many of them back would look full while it is empty. Network file systems
/// without a bound tell nothing, or some power of two that nobody can fill.
fn space_of(stat: &StatVfs) -> Option<Space> {
    const BOUNDLESS: u64 = 1 << 58;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let capacity = bytes(used.saturating_add(stat.f_bavail));
    (1..BOUNDLESS).contains(&capacity).then(|| Space { used: bytes(used), capacity })
}

/// Streams a result. The crate's own stream of a file reads 8 KiB at a time.
async fn into_stream(
    found: GetResult,
    range: Range<u64>,
) -> Result<BoxStream<'static, io::Result<Bytes>>, ArtifactError> {
    match found.payload {
        GetResultPayload::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(io::SeekFrom::Start(range.start))
                .await
                .map_err(|error| ArtifactError::Failed(error.to_string()))?;
            file.set_max_buf_size(PIECE);
            let left = range.end.saturating_sub(range.start);
            Ok(stream::try_unfold((file, left), read_piece).boxed())
        }
        GetResultPayload::Stream(bytes) => Ok(bytes.map_err(io::Error::other).boxed()),
    }
}

async fn read_piece(
    (file, left): (tokio::fs::File, u64),
) -> io::Result<Option<(Bytes, (tokio::fs::File, u64))>> {
    if left == 0 {
        return Ok(None);
    }
    let size = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
    let mut piece = BytesMut::with_capacity(size);
    let mut part = file.take(size as u64);
    let read = part.read_buf(&mut piece).await?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((piece.freeze(), (part.into_inner(), left.saturating_sub(read as u64)))))
}

fn path(key: &str) -> Result<Path, ArtifactError> {
    Path::parse(key).map_err(|_| ArtifactError::Key(key.chars().take(200).collect()))
}

fn info(meta: &ObjectMeta) -> Result<ObjectInfo, ArtifactError> {
    let modified = Timestamp::from_microsecond(meta.last_modified.timestamp_micros())
        .map_err(|error| ArtifactError::Failed(error.to_string()))?;
    Ok(ObjectInfo { key: meta.location.to_string(), size: meta.size, modified })
}

fn failed(key: &str) -> impl FnOnce(object_store::Error) -> ArtifactError + '_ {
    move |error| match error {
        object_store::Error::NotFound { .. } => ArtifactError::NotFound(key.to_owned()),
        other => ArtifactError::Failed(format!("{key}: {other}")),
    }
}

#[cfg(test)]
mod tests;
