//! Stored logs as text. They are compressed with zstd, and a few bytes may stand for very many: how
//! many are written out is bounded here, whatever the file says.

use std::io::Read as _;

use asu_store::{artifacts::ArtifactError, model::BuildRecord};
use bytes::Bytes;

use crate::{error::ApiError, error::STORE, state::AppState};

/// Most bytes of a stored log.
const MOST_STORED: u64 = 16 << 20;
/// Most bytes of text. Builds keep 8 MiB.
const MOST_TEXT: u64 = 32 << 20;

/// The whole log of a build; nothing when it has none.
///
/// # Errors
/// When the store is away or the log is damaged.
pub async fn whole(state: &AppState, record: &BuildRecord) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(log) = record.facts.log.as_ref().filter(|_| record.log_deleted_at.is_none()) else {
        return Ok(None);
    };
    let _place = state.logs.acquire().await.map_err(|_| ApiError::Internal)?;
    match state.artifacts.get_bounded(&log.key, MOST_STORED).await {
        Ok(Some(stored)) => unpack(stored).await.map(Some),
        Ok(None) => Ok(None),
        Err(ArtifactError::TooLarge { .. }) => Err(ApiError::Internal),
        Err(error) => Err(error.into()),
    }
}

/// The last `most` bytes of a log, from the beginning of a line.
///
/// # Errors
/// As [`whole`].
pub async fn tail(state: &AppState, record: &BuildRecord, most: usize) -> Result<String, ApiError> {
    let text = whole(state, record).await?.unwrap_or_default();
    Ok(last(&text, most))
}

async fn unpack(stored: Bytes) -> Result<Vec<u8>, ApiError> {
    let unpacked = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        zstd::Decoder::new(stored.as_ref())?.take(MOST_TEXT).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(text)
    });
    match unpacked.await {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => {
            tracing::error!(%error, "a stored log is damaged");
            Err(ApiError::Away(STORE))
        }
        Err(_) => Err(ApiError::Internal),
    }
}

fn last(text: &[u8], most: usize) -> String {
    let start = text.len().saturating_sub(most);
    let end = text.get(start..).unwrap_or_default();
    let line =
        if start == 0 { 0 } else { end.iter().position(|b| *b == b'\n').map_or(0, |n| n + 1) };
    String::from_utf8_lossy(end.get(line..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_whole_line() {
        assert_eq!(last(b"one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(last(b"one\ntwo\n", 100), "one\ntwo\n");
        assert_eq!(last(b"one long line", 4), "line");
        assert_eq!(last(b"", 4), "");
    }

    #[tokio::test]
    async fn a_log_that_unpacks_to_more_than_any_build_keeps_is_cut() {
        let zeros = vec![0_u8; usize::try_from(MOST_TEXT).unwrap() + 5];
        let bomb = zstd::encode_all(zeros.as_slice(), 3).unwrap();
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(bomb.into()).await.unwrap().len() as u64, MOST_TEXT);
    }

    #[tokio::test]
    async fn a_damaged_log_is_an_error_and_no_empty_text() {
        assert!(unpack(Bytes::from_static(b"not zstd")).await.is_err());
    }
}
