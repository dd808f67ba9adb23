//! `GET /download/faillogs/faillog-{key}.txt`: the log of a failed build, which has no folder. They are not
//! listed.

use asu_core::legacy::key::Key;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;

use crate::{
    error::{ApiError, Error},
    http::clients::Peer,
    log_answer,
    state::{AppState, parse_hash},
};

/// Log of a failed build
#[utoipa::path(
    method(get, head),
    path = "/download/faillogs/{file}",
    tag = "legacy",
    params(("file" = String, Path, description = "In `log` of the answer")),
    responses(
        (status = 200, description = "The log", body = String, content_type = "text/plain"),
        (status = 404, description = "No such request, or no log yet", body = Error<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn faillog_get(
    State(state): State<AppState>,
    Path(file): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = file.strip_prefix("faillog-").and_then(|rest| rest.strip_suffix(".txt"));
    let key = key.ok_or(ApiError::UnknownHash)?;
    let hash = match key.parse::<Key>() {
        Ok(key) => key.hash,
        Err(_) => parse_hash(key)?,
    };
    log_answer::of_request(&state, &hash, peer.map(|Extension(peer)| peer), &headers).await
}
