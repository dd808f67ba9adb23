//! `GET /api/v1/build/{hash}/log`: the log of a build.

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
    log_answer::of_request(&state, &hash, peer.map(|Extension(peer)| peer), &headers).await
}
