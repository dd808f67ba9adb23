//! The received part of an interrupted download, which a later one continues. Beside the file is a
//! note about it: the digest that it must have, and the server's validator. Used by `download.rs`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use asu_core::digest::Digest;
use reqwest::Response;
use reqwest::header::{CONTENT_RANGE, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::client::validator_of;

/// Maximum size of a note in bytes.
const MAX_NOTE: u64 = 4096;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    sha256: Digest,
    #[serde(default)]
    validator: Option<String>,
    #[serde(default)]
    total: Option<u64>,
}

/// The kept part of a download.
pub(crate) struct Kept {
    /// Number of its bytes; more than zero.
    pub(crate) length: u64,
    /// Its hash so far.
    pub(crate) hasher: Sha256,
    /// Value of `If-Range`. `None` if all bytes are there.
    pub(crate) validator: Option<HeaderValue>,
}

impl Kept {
    /// Whether the response continues exactly after the kept part, and the whole has at most
    /// `max_bytes`.
    pub(crate) fn is_continued_by(&self, response: &Response, max_bytes: u64) -> bool {
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let parts = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('/'));
        let Some((span, total)) = parts else { return false };
        let first = span.split_once('-').and_then(|(first, _)| first.parse().ok());
        first == Some(self.length) && total.parse().is_ok_and(|total: u64| total <= max_bytes)
    }
}

/// The file of the note about a download.
fn note_of(file: &Path) -> PathBuf {
    file.with_added_extension("part.json")
}

/// Finds and hashes what an earlier download of the same content left. `None` if there is nothing
/// that can be continued.
pub(crate) async fn find(file: &Path, expected: &Digest, max_bytes: u64) -> Option<Kept> {
    let (file, expected) = (file.to_owned(), *expected);
    let found = move || read(&file, &expected, max_bytes).ok().flatten();
    tokio::task::spawn_blocking(found).await.ok().flatten()
}

fn read(file: &Path, expected: &Digest, max_bytes: u64) -> io::Result<Option<Kept>> {
    let mut text = Vec::new();
    std::fs::File::open(note_of(file))?.take(MAX_NOTE).read_to_end(&mut text)?;
    let note: Note = serde_json::from_slice(&text)?;
    let mut part = std::fs::File::open(file)?;
    let length = part.metadata()?.len();
    let is_whole = note.total == Some(length);
    let validator = note.validator.and_then(|value| HeaderValue::from_str(&value).ok());
    if note.sha256 != *expected
        || length == 0
        || length > max_bytes
        || (validator.is_none() && !is_whole)
    {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    io::copy(&mut part, &mut hasher)?;
    Ok(Some(Kept { length, hasher, validator: validator.filter(|_| !is_whole) }))
}

/// Writes the note about a download that begins with this response.
pub(crate) async fn begin(file: &Path, expected: &Digest, response: &Response) -> io::Result<()> {
    let found = validator_of(response);
    // A weak tag does not promise equal bytes (RFC 9110, 13.1.5).
    let strong = found.etag.filter(|tag| !tag.starts_with("W/"));
    let validator = strong.or(found.last_modified);
    write(file, Note { sha256: *expected, validator, total: response.content_length() }).await
}

/// Writes the note about a download that is complete.
pub(crate) async fn finish(file: &Path, expected: &Digest, length: u64) -> io::Result<()> {
    write(file, Note { sha256: *expected, validator: None, total: Some(length) }).await
}

async fn write(file: &Path, note: Note) -> io::Result<()> {
    tokio::fs::write(note_of(file), serde_json::to_vec(&note)?).await
}

/// Whether a part is left that another download can continue.
pub(crate) async fn is_useful(file: &Path) -> bool {
    let note = tokio::fs::read(note_of(file)).await.unwrap_or_default();
    let length = tokio::fs::metadata(file).await.map_or(0, |metadata| metadata.len());
    let is_useful = |note: Note| note.validator.is_some() || note.total == Some(length);
    length > 0 && serde_json::from_slice(&note).is_ok_and(is_useful)
}

/// Removes the file and the note. Either may be missing.
pub(crate) async fn discard(file: &Path) {
    for gone in [note_of(file), file.to_owned()] {
        if let Err(error) = tokio::fs::remove_file(&gone).await
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %gone.display(), "a part of a download cannot be removed");
        }
    }
}
