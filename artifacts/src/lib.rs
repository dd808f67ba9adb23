//! The artifact store: images, logs and results of builds, on a volume.
//!
//! The operator and the API read, list and delete objects with [`ArtifactStore`]. Only `publish` in build
//! pods writes, with [`open_volume`]. The keys of objects are defined in
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

/// Chunk size in bytes of a stream from a volume. Each chunk is read in a blocking thread: larger
/// chunks need fewer switches, smaller ones let hundreds of slow readers fit into a pod's memory.
const PIECE: usize = 64 * 1024;

/// A failed call of the artifact store.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The URL is malformed or its scheme is not supported.
    #[error("the store URL must be file:///an/absolute/path")]
    Url,
    /// The folder of the volume does not exist or cannot be opened.
    #[error("the store's folder cannot be opened: {0}")]
    Folder(String),
    /// The text is not a valid object key, for example because it contains `..`.
    #[error("{0:?} is not a key")]
    Key(String),
    /// The object is larger than the caller's limit.
    #[error("{key} has {size} bytes, at most {max} are read")]
    TooLarge {
        /// Key of the object.
        key: String,
        /// Its size in bytes.
        size: u64,
        /// The caller's limit in bytes.
        max: u64,
    },
    /// No object has this key.
    #[error("{0} is not in the store")]
    NotFound(String),
    /// Any other failure of the store, with its message.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Metadata of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key: a path relative to the store, with slashes.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// Whether an object exists with the expected size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It exists with the expected size.
    Present,
    /// It does not exist.
    Missing,
    /// It exists, but has this size in bytes.
    OtherSize(u64),
}

/// The artifact store: a folder on a volume. Clones share it.
#[derive(Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    volume: Option<PathBuf>,
}

impl fmt::Debug for ArtifactStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the field `objects`: the client of a remote store holds credentials.
        f.debug_struct("ArtifactStore").field("volume", &self.volume).finish_non_exhaustive()
    }
}

/// Opens the store on a volume for writing. Written objects are on the disk when the call returns.
///
/// # Errors
/// [`ArtifactError::Folder`] when the folder does not exist.
pub fn open_volume(folder: &std::path::Path) -> Result<Arc<dyn ObjectStore>, ArtifactError> {
    let objects = LocalFileSystem::new_with_prefix(folder)
        .map_err(|error| ArtifactError::Folder(error.to_string()))?
        .with_fsync(true)
        // The folder of a build key is deleted with its last file.
        .with_automatic_cleanup(true);
    Ok(Arc::new(objects))
}

impl ArtifactStore {
    /// Opens the store at `url`, which is `file:///path` of an existing folder.
    ///
    /// # Errors
    /// [`ArtifactError::Url`] for any other URL, [`ArtifactError::Folder`] when the folder cannot be
    /// opened.
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

    /// Metadata of the object.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`], [`ArtifactError::Key`] and [`ArtifactError::Failed`].
    pub async fn head(&self, key: &str) -> Result<ObjectInfo, ArtifactError> {
        let meta = self.objects.head(&path(key)?).await.map_err(failed(key))?;
        info(&meta)
    }

    /// Whether the object exists with `size` bytes.
    ///
    /// # Errors
    /// [`ArtifactError::Key`] and [`ArtifactError::Failed`]; a missing object is not an error.
    pub async fn presence(&self, key: &str, size: u64) -> Result<Presence, ArtifactError> {
        match self.head(key).await {
            Ok(found) if found.size == size => Ok(Presence::Present),
            Ok(found) => Ok(Presence::OtherSize(found.size)),
            Err(ArtifactError::NotFound(_)) => Ok(Presence::Missing),
            Err(error) => Err(error),
        }
    }

    /// The content of the object, `None` when it does not exist. Reads at most `max` bytes.
    ///
    /// # Errors
    /// [`ArtifactError::TooLarge`], [`ArtifactError::Key`] and [`ArtifactError::Failed`].
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
    /// [`ArtifactError::NotFound`], [`ArtifactError::Key`] and [`ArtifactError::Failed`], before the
    /// first byte. A later failure is the last item of the stream, so that a reader can tell an
    /// incomplete body from a complete one.
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
            return Err(ArtifactError::Failed(format!(
                "{key} is shorter than the requested range"
            )));
        }
        into_stream(found, range).await
    }

    /// Objects in the folder `prefix` and its subfolders, in no particular order.
    ///
    /// # Errors
    /// [`ArtifactError::Key`]. A store that cannot be listed is an error item of the stream.
    pub fn list_prefix(
        &self,
        prefix: &str,
    ) -> Result<BoxStream<'static, Result<ObjectInfo, ArtifactError>>, ArtifactError> {
        let shown = prefix.to_owned();
        let found = self.objects.list(Some(&path(prefix)?));
        Ok(found.map(move |meta| meta.map_err(failed(&shown)).and_then(|meta| info(&meta))).boxed())
    }

    /// Deletes the object. A missing object is not an error.
    ///
    /// # Errors
    /// When the store refuses to delete it.
    pub async fn delete(&self, key: &str) -> Result<(), ArtifactError> {
        match self.objects.delete(&path(key)?).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map_err(failed(key)),
        }
    }

    /// Removes partial files that killed writers left and that were last modified before `before`.
    /// Returns the number of removed files.
    ///
    /// # Errors
    /// When a file or folder of the volume cannot be read or removed.
    pub async fn remove_unfinished(&self, before: Timestamp) -> Result<usize, ArtifactError> {
        let Some(folder) = self.volume.clone() else { return Ok(0) };
        let work = move || unfinished::remove(&folder, before.into());
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|error| ArtifactError::Failed(error.to_string()))?;
        done.map_err(|error| ArtifactError::Failed(error.to_string()))
    }

    /// Used space and capacity of the volume; `None` for a store without a known capacity.
    ///
    /// # Errors
    /// When the system call `statvfs` fails.
    pub fn space(&self) -> Result<Option<Space>, ArtifactError> {
        let Some(folder) = &self.volume else {
            return Ok(None);
        };
        let stat = rustix::fs::statvfs(folder)
            .map_err(|error| ArtifactError::Failed(error.to_string()))?;
        Ok(space_of(&stat))
    }
}

/// Used space and capacity as `df` counts them: blocks reserved for root are neither used nor part
/// of the capacity. Otherwise an empty volume with many reserved blocks would look full.
/// `None` for network file systems without a limit: they report zero or a very large capacity.
fn space_of(stat: &StatVfs) -> Option<Space> {
    const UNLIMITED: u64 = 1 << 58;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let capacity = bytes(used.saturating_add(stat.f_bavail));
    (1..UNLIMITED).contains(&capacity).then(|| Space { used: bytes(used), capacity })
}

/// Streams the bytes of `range`. A file is read here in chunks of [`PIECE`], because the stream of
/// `object_store` reads only 8 KiB at a time.
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
