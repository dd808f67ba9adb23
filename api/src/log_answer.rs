//! Sends the log of a build as text, for all dialects.

use asu_core::{build_log::Unmark, request_hash::RequestHash};
use asu_store::model::BuildRecord;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, header};

use crate::{
    budgets::Budget, error::ApiError, http::clients::Peer, log_text::LogText, state::AppState,
};

/// Headers of a text that must not be cached.
pub const TEXT: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The answer while a build is live. The log of an older build of the request is not sent.
const NOT_YET: ApiError = ApiError::NotFound("this build has no log yet");
/// The answer if a build has no log.
const NO_LOG: ApiError = ApiError::NotFound("this build has no log");

/// Answers with the log of the newest build of a request that ended, unless a newer one is live.
///
/// # Errors
/// As [`send`], and if there is no such request or build.
pub async fn of_request(
    state: &AppState,
    hash: &RequestHash,
    peer: Option<Peer>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let coming = state.cluster.watch.get(hash).filter(|entry| !entry.archived);
    if coming.as_ref().is_some_and(|entry| !entry.maybe_archived) {
        return Err(NOT_YET);
    }
    // Held until the headers of the answer.
    let _waits = state.budgets.enter(Budget::Log)?;
    let record = state.database.newest_by_hash(hash).await?;
    // The database notified of an archived build with this hash, which may be a different one.
    let is_its_own = |uid: &str| coming.as_ref().is_none_or(|entry| entry.uid == uid);
    let Some(record) = record.filter(|record| is_its_own(&record.facts.uid)) else {
        // The watch may lag behind.
        let alive = state.cluster.read(hash).await?.is_some_and(|entry| !entry.archived);
        return Err(if alive { NOT_YET } else { ApiError::UnknownHash });
    };
    send(state, &record, peer, headers).await
}

/// Answers with the log of an archived build. It counts as a download of the client.
///
/// # Errors
/// If there is no log, if the store is unavailable, or if too many logs or files are being sent.
pub async fn send(
    state: &AppState,
    record: &BuildRecord,
    peer: Option<Peer>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    // Both are held until the client has received the last byte.
    let sent = state.send_to(peer, headers)?;
    let place = state.log_readers.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let place = (place, sent);
    let mut log = LogText::open(&state.artifacts, record).await?.ok_or(NO_LOG)?;
    // Read the first piece before the headers are sent, so that an unreadable log is an error answer.
    let mut unmark = Unmark::default();
    let first = unmark.chunk(&log.next().await?.unwrap_or_default()).into();
    let rest =
        stream::try_unfold((log, unmark, place), |(mut log, mut unmark, place)| async move {
            let piece = log.next().await?.map(|piece| Bytes::from(unmark.chunk(&piece)));
            Ok(piece.map(|piece| (piece, (log, unmark, place))))
        });
    let first = stream::once(async { Ok::<Bytes, ApiError>(first) });
    Ok((TEXT, Body::from_stream(first.chain(rest))).into_response())
}
