//! `GET|HEAD /api/v1/build/{hash}`: how far an image is.

use asu_core::answer::Ask;
use axum::{
    extract::{Path, State},
    response::Response,
};

use crate::{
    error::ApiError,
    found::Found,
    lookup::look_up,
    openapi,
    state::{AppState, parse_hash},
};

/// State of a build
///
/// The headers `X-Imagebuilder-Status` and `X-Queue-Position` tell the same without the body.
#[utoipa::path(
    method(get, head),
    path = "/api/v1/build/{request_hash}",
    tag = "build",
    params(("request_hash" = String, Path, description = "From the answer to the request")),
    responses(
        (status = 200, description = "The image is there", body = openapi::Finished),
        (status = 202, description = "The build waits or runs", body = openapi::Pending),
        (status = 404, description = "No such request, or its time is over", body = openapi::Error),
        (status = 500, description = "The build failed", body = openapi::Failed),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = openapi::Error),
        (status = 529, description = "Too many builds waited when it came", body = openapi::Error),
    )
)]
pub async fn build_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    let hash = parse_hash(&hash)?;
    match look_up(&state, &hash, Ask::Look).await? {
        Found::Stored(stored) => Ok(stored.response()),
        Found::Alive(entry) => state.waiting(&entry),
        Found::Nothing(_) => Err(ApiError::UnknownHash),
    }
}
