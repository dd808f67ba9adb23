//! Reads stored logs as text. They are compressed with zstd, so a small file may expand to a very large
//! text. A log is unpacked in pieces, and the total size is limited here.

use std::io;

use asu_artifacts::{ArtifactError, ArtifactStore};
use asu_core::build_log::Ends;
use asu_store::model::BuildRecord;
use bytes::{Buf as _, Bytes};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::Semaphore;
use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use crate::error::{ApiError, STORE};

/// Maximum size of a stored log in bytes.
const MAX_STORED: u64 = 16 << 20;
/// Maximum size of its text in bytes. Builds keep 8 MiB.
const MAX_TEXT: u64 = 32 << 20;
/// Maximum size of one piece of text in bytes.
const PIECE: usize = 64 * 1024;
/// Maximum window of a decoder, as a power of two. Logs are written with 21; a file may ask for
/// 27, which is 128 MiB of memory.
const WINDOW: u32 = 23;

/// Maximum number of logs whose ends are read at the same time. A decoder may use 8 MiB.
const AT_A_TIME: usize = 4;

/// A log that is being read. Only one piece and the window of the decoder are in memory.
pub struct LogText {
    stored: BoxStream<'static, io::Result<Bytes>>,
    decoder: Decoder<'static>,
    input: Bytes,
    left: u64,
    whole: bool,
}

impl LogText {
    /// Opens the log of a build; `None` if it has none.
    ///
    /// # Errors
    /// When the store is unavailable.
    pub async fn open(
        artifacts: &ArtifactStore,
        record: &BuildRecord,
    ) -> Result<Option<Self>, ApiError> {
        let Some(log) = record.facts.log.as_ref().filter(|_| record.log_deleted_at.is_none())
        else {
            return Ok(None);
        };
        if log.size > MAX_STORED {
            return Err(ApiError::Internal);
        }
        match artifacts.read_range(&log.key, 0..log.size).await {
            Ok(stored) => Self::of(stored).map(Some).map_err(|_| ApiError::Internal),
            Err(ArtifactError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn of(stored: BoxStream<'static, io::Result<Bytes>>) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Self { stored, decoder, input: Bytes::new(), left: MAX_TEXT, whole: false })
    }

    /// Returns the next piece; `None` after the last.
    ///
    /// # Errors
    /// When the store is unavailable or the log is damaged.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.unpack().await.map_err(|error| {
            tracing::error!(%error, "a stored log is damaged");
            ApiError::Away(STORE)
        })
    }

    async fn unpack(&mut self) -> io::Result<Option<Bytes>> {
        let mut text = vec![0; PIECE];
        while self.left > 0 {
            let done = self.decoder.run_on_buffers(&self.input, &mut text)?;
            self.input.advance(done.bytes_read);
            if done.bytes_written > 0 {
                text.truncate(usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE)));
                text.truncate(done.bytes_written);
                self.left = self.left.saturating_sub(text.len() as u64);
                self.whole = done.remaining == 0;
                return Ok(Some(text.into()));
            }
            if done.bytes_read > 0 {
                self.whole = done.remaining == 0;
            } else if !self.input.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.input.is_empty() {
                match self.stored.next().await {
                    Some(more) => self.input = more?,
                    None if self.whole => break,
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
        Ok(None)
    }
}

/// Reads the ends of logs, with limited concurrency.
pub struct LogEnds {
    artifacts: ArtifactStore,
    places: Semaphore,
}

impl LogEnds {
    /// Reads from this store.
    pub fn new(artifacts: ArtifactStore) -> Self {
        Self { artifacts, places: Semaphore::new(AT_A_TIME) }
    }

    /// Returns the ends of standard output and standard error of a build: at most `most` bytes of each,
    /// from the beginning of a line. They are empty without a log.
    ///
    /// # Errors
    /// When the store is unavailable or the log is damaged.
    pub async fn of(
        &self,
        record: &BuildRecord,
        most: usize,
    ) -> Result<(String, String), ApiError> {
        let _place = self.places.acquire().await.map_err(|_| ApiError::Internal)?;
        match LogText::open(&self.artifacts, record).await? {
            Some(log) => ends_of(log, most).await,
            None => Ok(<(String, String)>::default()),
        }
    }
}

async fn ends_of(mut log: LogText, most: usize) -> Result<(String, String), ApiError> {
    let mut ends = Ends::new(most);
    while let Some(piece) = log.next().await? {
        ends.chunk(&piece);
    }
    Ok(ends.finish())
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn log(stored: &[u8]) -> LogText {
        // In small pieces, as from a slow store.
        let pieces: Vec<_> =
            stored.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        LogText::of(stream::iter(pieces).boxed()).unwrap()
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    #[tokio::test]
    async fn the_ends_of_both_streams_are_read_separately() {
        let text = "out 1\n\u{2}err 1\nout 2\n\u{2}err 2\n";
        let (stdout, stderr) = ends_of(log(&packed(text.as_bytes())), 8).await.unwrap();
        assert_eq!((stdout.as_str(), stderr.as_str()), ("out 2\n", "err 2\n"));
    }

    #[tokio::test]
    async fn a_log_without_stream_marks_is_standard_output() {
        let (stdout, stderr) = ends_of(log(&packed(b"one\ntwo\n")), 100).await.unwrap();
        assert_eq!((stdout.as_str(), stderr.as_str()), ("one\ntwo\n", ""));
    }

    #[tokio::test]
    async fn a_log_is_read_completely_in_small_pieces() {
        let lines = (0..40_000).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
        let (mut log, mut read) = (log(&packed(lines.as_bytes())), Vec::new());
        while let Some(piece) = log.next().await.unwrap() {
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, lines.as_bytes());
    }

    #[tokio::test]
    async fn a_log_that_expands_beyond_the_limit_is_cut() {
        let bomb = packed(&vec![0_u8; usize::try_from(MAX_TEXT).unwrap() + 5]);
        assert!(bomb.len() < 100_000);
        let (mut log, mut read) = (log(&bomb), 0);
        while let Some(piece) = log.next().await.unwrap() {
            read += piece.len() as u64;
        }
        assert_eq!(read, MAX_TEXT);
    }

    #[tokio::test]
    async fn a_damaged_log_is_an_error() {
        assert!(ends_of(log(b"not zstd"), 10).await.is_err());
        let whole = packed(b"some text of a build");
        assert!(ends_of(log(&whole[..whole.len() - 1]), 10).await.is_err());
        assert!(ends_of(log(b""), 10).await.is_err());
    }

    #[tokio::test]
    async fn a_log_with_a_larger_window_than_builds_write_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(WINDOW + 1).unwrap();
        io::Write::write_all(&mut encoder, b"text").unwrap();
        assert!(ends_of(log(&encoder.finish().unwrap()), 10).await.is_err());
    }
}
