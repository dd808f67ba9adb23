//! `GET|HEAD /api/v1/build/{hash}`: the state of a build.

use asu_core::answer::Intent;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{answers, respond::respond};
use crate::{
    error::{ApiError, Error},
    known::{Found, Known},
    lookup::{look_up, within_bound},
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
        (status = 200, description = "The image is there", body = answers::Finished<'_>),
        (status = 202, description = "The build waits or runs", body = answers::Waiting),
        (status = 404, description = "No such request, or its time is over", body = Error<'_>),
        (status = 500, description = "The build failed", body = answers::Failed<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
        (status = 529, description = "Too many builds waited when it came", body = Error<'_>),
    )
)]
pub async fn build_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    let hash = parse_hash(&hash)?;
    let Found::Known(known) = look_up(&state, &hash, Intent::Poll).await? else {
        return Err(ApiError::UnknownHash);
    };
    if let Known::Alive(entry) = &known {
        within_bound(&state, entry)?;
    }
    respond(&state, &known).await
}
