//! `GET /api/build-request/{hash}` and `GET /api/upgrade-request/{hash}`: the state of a build.

use asu_core::{
    answer::Intent,
    legacy::key::{Key, Kind, Manner, Style},
    request_hash::RequestHash,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;

use super::{
    answers, error::LegacyError, form::LegacyProblem, image_get::record_of, respond::respond,
    server::server_of,
};
use crate::{
    error::ApiError,
    known::{FinishedBuild, Found, Known},
    lookup::{look_up, within_bound},
    state::AppState,
};

/// State of a build, for clients of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/build-request/{request_hash}",
    tag = "legacy",
    params(("request_hash" = String, Path, description = "`request_hash` or `image_hash` of an answer")),
    responses(
        (status = 200, description = "The image is there", body = answers::LegacyFinished),
        (status = 202, description = "The build waits or runs", body = answers::LegacyWaiting),
        (status = 404, description = "No such request, or its time is over", body = LegacyProblem<'_>),
        (status = 409, description = "The packages conflict", body = answers::LegacyFailed),
        (status = 413, description = "The image is too big", body = answers::LegacyFailed),
        (status = 500, description = "The build failed", body = answers::LegacyFailed),
        (status = 503, description = "A dependency is away or too many builds wait, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn build_request_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, LegacyError> {
    poll(&state, &hash, Kind::Build, &headers).await
}

/// State of a build for sysupgrade, for clients of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/upgrade-request/{request_hash}",
    tag = "legacy",
    params(("request_hash" = String, Path, description = "`request_hash` or `image_hash` of an answer")),
    responses(
        (status = 200, description = "The image is there", body = answers::LegacyFinished),
        (status = 202, description = "The build waits or runs", body = answers::LegacyWaiting),
        (status = 404, description = "No such request, or its time is over", body = LegacyProblem<'_>),
        (status = 409, description = "The packages conflict", body = answers::LegacyFailed),
        (status = 413, description = "The image is too big", body = answers::LegacyFailed),
        (status = 500, description = "The build failed", body = answers::LegacyFailed),
        (status = 501, description = "The device has no image for sysupgrade", body = answers::LegacyFailed),
        (status = 503, description = "A dependency is away or too many builds wait, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn upgrade_request_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, LegacyError> {
    poll(&state, &hash, Kind::Upgrade, &headers).await
}

/// Answers with the state of a build. A key says how; other names of a build are answered as to clients of
/// 2019.
///
/// # Errors
/// If no build has this name, or a dependency is unavailable.
pub async fn poll(
    state: &AppState,
    text: &str,
    kind: Kind,
    headers: &HeaderMap,
) -> Result<Response, LegacyError> {
    let server = server_of(headers, state.settings.forwarded_hops > 0);
    let plain = Manner { style: Style::Joined, kind };
    let key = text.parse::<Key>().ok();
    let hash = key.map(|key| key.hash).or_else(|| text.parse::<RequestHash>().ok());
    let Some(hash) = hash else {
        let record = record_of(state, text).await?;
        let known = Known::Finished(FinishedBuild::of(record));
        return Ok(respond(state, &known, plain, &server).await?);
    };
    let Found::Known(known) = look_up(state, &hash, Intent::Poll).await? else {
        return Err(ApiError::UnknownHash.into());
    };
    if let Known::Alive(entry) = &known {
        within_bound(state, entry)?;
    }
    Ok(respond(state, &known, key.map_or(plain, |key| key.manner), &server).await?)
}
