//! `GET /api/v1/build/{hash}/log`: the log of a build.

use asu_core::build_log::Unmark;
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, header};

use crate::{
    budgets::Budget,
    error::{ApiError, Error},
    http::clients::Peer,
    log_text::LogText,
    state::{AppState, parse_hash},
};

/// The answer while a build is live. The log of an older build of the request is not sent.
const NOT_YET: ApiError = ApiError::NotFound("this build has no log yet");
const NO_LOG: ApiError = ApiError::NotFound("this build has no log");

/// Log of a build
///
/// Of the newest build of the request that ended, whether it succeeded or failed.
#[utoipa::path(
    method(get, head),
    path = "/api/v1/build/{request_hash}/log",
    tag = "build",
    params(("request_hash" = String, Path, description = "From the answer to the request")),
    responses(
        (status = 200, description = "The log", body = String, content_type = "text/plain"),
        (status = 404, description = "No such request, or no log yet", body = Error<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn log_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let hash = parse_hash(&hash)?;
    let coming = state.cluster.watch.get(&hash).filter(|entry| !entry.archived);
    if coming.as_ref().is_some_and(|entry| !entry.maybe_archived) {
        return Err(NOT_YET);
    }
    // Held until the headers of the answer.
    let _waits = state.budgets.enter(Budget::Log)?;
    let record = state.database.newest_by_hash(&hash).await?;
    // The database notified of an archived build with this hash, which may be a different one.
    let is_its_own = |uid: &str| coming.as_ref().is_none_or(|entry| entry.uid == uid);
    let Some(record) = record.filter(|record| is_its_own(&record.facts.uid)) else {
        // The watch may lag behind.
        let alive = state.cluster.read(&hash).await?.is_some_and(|entry| !entry.archived);
        return Err(if alive { NOT_YET } else { ApiError::UnknownHash });
    };
    // Both are held until the client has received the last byte.
    let sent = state.send_to(peer.map(|Extension(peer)| peer), &headers)?;
    let place = state.log_readers.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let place = (place, sent);
    let mut log = LogText::open(&state.artifacts, &record).await?.ok_or(NO_LOG)?;
    // Read the first piece before the headers are sent, so that an unreadable log is an error answer.
    let mut unmark = Unmark::default();
    let first = unmark.chunk(&log.next().await?.unwrap_or_default()).into();
    let rest =
        stream::try_unfold((log, unmark, place), |(mut log, mut unmark, place)| async move {
            let piece = log.next().await?.map(|piece| Bytes::from(unmark.chunk(&piece)));
            Ok(piece.map(|piece| (piece, (log, unmark, place))))
        });
    let first = stream::once(async { Ok::<Bytes, ApiError>(first) });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(first.chain(rest))).into_response())
}
