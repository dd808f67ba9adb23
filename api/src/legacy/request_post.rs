//! `POST /api/build-request` and `POST /api/upgrade-request`: requests an image.

use asu_core::legacy::key::Kind;
use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::HeaderMap;

use super::{
    answers, error::LegacyError, form::LegacyProblem, image, object::Object, request_get::poll,
    respond::respond, schema, server::server_of,
};
use crate::{image_request::submit, state::AppState};

/// Asks for an image, for clients of 2018 and 2019
///
/// A body with `request_hash` asks for the state of that request. `packages` is the complete list of wanted
/// packages.
#[utoipa::path(
    post,
    path = "/api/build-request",
    tag = "legacy",
    request_body = schema::LegacyImageRequest,
    responses(
        (status = 200, description = "The image is there", body = answers::LegacyFinished),
        (status = 202, description = "The build waits or runs", body = answers::LegacyWaiting),
        (status = 400, description = "A parameter is missing, see `X-Missing-Param`, or malformed", body = LegacyProblem<'_>),
        (status = 404, description = "`request_hash` is not known", body = LegacyProblem<'_>),
        (status = 409, description = "The packages conflict", body = answers::LegacyFailed),
        (status = 412, description = "The distribution, version, target or device is not offered", body = LegacyProblem<'_>),
        (status = 413, description = "The image is too big", body = answers::LegacyFailed),
        (status = 420, description = "The first-boot script is too long", body = LegacyProblem<'_>),
        (status = 422, description = "Unknown packages, see `X-Unknown-Package`", body = LegacyProblem<'_>),
        (status = 500, description = "The build failed", body = answers::LegacyFailed),
        (status = 503, description = "A dependency is away or too many builds wait, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn build_request_post(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, LegacyError> {
    request(&state, &headers, body, Kind::Build).await
}

/// Asks for an image for sysupgrade, for clients of 2018 and 2019
#[utoipa::path(
    post,
    path = "/api/upgrade-request",
    tag = "legacy",
    request_body = schema::LegacyImageRequest,
    responses(
        (status = 200, description = "The image is there", body = answers::LegacyFinished),
        (status = 202, description = "The build waits or runs", body = answers::LegacyWaiting),
        (status = 400, description = "A parameter is missing, see `X-Missing-Param`, or malformed", body = LegacyProblem<'_>),
        (status = 404, description = "`request_hash` is not known", body = LegacyProblem<'_>),
        (status = 409, description = "The packages conflict", body = answers::LegacyFailed),
        (status = 412, description = "The distribution, version, target or device is not offered", body = LegacyProblem<'_>),
        (status = 413, description = "The image is too big", body = answers::LegacyFailed),
        (status = 420, description = "The first-boot script is too long", body = LegacyProblem<'_>),
        (status = 422, description = "Unknown packages, see `X-Unknown-Package`", body = LegacyProblem<'_>),
        (status = 500, description = "The build failed", body = answers::LegacyFailed),
        (status = 501, description = "The device has no image for sysupgrade", body = answers::LegacyFailed),
        (status = 503, description = "A dependency is away or too many builds wait, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn upgrade_request_post(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, LegacyError> {
    request(&state, &headers, body, Kind::Upgrade).await
}

async fn request(
    state: &AppState,
    headers: &HeaderMap,
    body: Bytes,
    kind: Kind,
) -> Result<Response, LegacyError> {
    let object = Object::of(&body)?;
    drop(body);
    if let Some(hash) = object.text("request_hash")? {
        return poll(state, hash, kind, headers).await;
    }
    state.counters.add_client(None, headers, state.now());
    let asked = image::read(state, object, kind).await?;
    let known = submit(state, asked.acceptance, asked.script).await?;
    let server = server_of(headers, state.settings.forwarded_hops > 0);
    Ok(respond(state, &known, asked.manner, &server).await?)
}
