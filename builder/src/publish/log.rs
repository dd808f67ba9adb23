//! Reads the untrusted log of a build, and stores it compressed. Called by `publish/mod.rs`.

use std::{fs::File, io::Read as _};

use asu_core::{
    build_log::{Stream, marked},
    plan::paths as names,
    result::{StoredLog, store_keys},
};
use object_store::{ObjectStoreExt as _, path::Path as Key};

use super::{Publish, PublishError};
use crate::{handover::Folder, run::DROPPED_NOTE};

/// Bytes that `build` may write beyond the limit, for its note about dropped bytes.
const SLACK: u64 = 4096;
/// Compression level of zstd: a log of 8 MB takes about 50 ms.
const LEVEL: i32 = 3;

/// The text of the log with a last line of this program, which is marked as standard error if the
/// build failed.
pub(super) fn read(
    work: &Folder,
    opened: Option<File>,
    limit: u64,
    stream: Stream,
    last_word: &str,
) -> Vec<u8> {
    let file = opened.or_else(|| work.file(names::LOG).ok());
    let mut text = Vec::new();
    if let Some(file) = file {
        // A read error only truncates the log; the result is more important.
        let _ = file.take(limit.saturating_add(SLACK)).read_to_end(&mut text);
    }
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    // `build` says the same about a failure that it found itself.
    let last_word = format!("[asu] {last_word}");
    let (mark, last_word) = marked(stream, last_word.as_bytes());
    let last_line = [mark, last_word, b"\n"].concat();
    if !text.ends_with(&last_line) {
        text.extend_from_slice(&last_line);
    }
    text
}

impl Publish<'_> {
    /// Stores the log, under the build's key if the result is final, else under that of the
    /// attempt.
    pub(super) async fn put_log(
        &self,
        text: &[u8],
        is_final: bool,
    ) -> Result<StoredLog, PublishError> {
        let compressed = zstd::encode_all(text, LEVEL).map_err(|source| {
            object_store::Error::Generic { store: "zstd", source: Box::new(source) }
        })?;
        let key = if is_final {
            store_keys::log(&self.plan.uid)
        } else {
            store_keys::attempt_log(&self.plan.uid, self.plan.attempt)
        };
        let stored = StoredLog {
            size: compressed.len() as u64,
            text_bytes: text.len() as u64,
            truncated: contains(text, DROPPED_NOTE.as_bytes()),
        };
        self.store.put(&Key::from(key), compressed.into()).await?;
        Ok(stored)
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
