//! `GET /api/v1/build/{hash}/log`: what a build printed.

use asu_store::BuildRepository as _;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::header;

use crate::{
    error::ApiError,
    log_text, openapi,
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
        (status = 404, description = "No such request, or no log yet", body = openapi::Error),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = openapi::Error),
    )
)]
pub async fn log_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    let hash = parse_hash(&hash)?;
    let record = state.database.newest_by_hash(&hash).await?.ok_or(ApiError::UnknownHash)?;
    let text = log_text::whole(&state, &record)
        .await?
        .ok_or(ApiError::NotFound("this build has no log"))?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, text).into_response())
}
