//! `POST /api/v1/build`: requests an image.

use asu_core::acceptance::{self, Acceptance};
use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::HeaderMap;

use super::{answers, parse, respond::respond, schema};
use crate::{
    error::{ApiError, Error},
    image_request::submit,
    state::AppState,
};

/// Asks for an image
///
/// Answers 200 with the image when it is there, else 202; the state is then read from
/// `/api/v1/build/{request_hash}`. Equal requests have one build.
#[utoipa::path(
    post,
    path = "/api/v1/build",
    tag = "build",
    request_body = schema::BuildRequest,
    responses(
        (status = 200, description = "The image is there", body = answers::Finished<'_>),
        (status = 202, description = "The build waits or runs", body = answers::Waiting),
        (status = 400, description = "What is asked for is not offered", body = Error<'_>),
        (status = 413, description = "The body has more than 256 KiB", body = Error<'_>),
        (status = 422, description = "A field is missing or malformed; `detail` names it", body = Error<'_>),
        (status = 500, description = "The build failed because of the request", body = answers::Failed<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
        (status = 529, description = "Too many builds wait", body = Error<'_>),
    )
)]
pub async fn build_post(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let asked = parse::parse(&body)?;
    drop(body);
    state.counters.add_client(asked.client.as_deref(), &headers, state.now());
    let acceptance = accept(&state, &asked)?;
    let known = submit(&state, acceptance, asked.asked.defaults).await?;
    respond(&state, &known).await
}

fn accept(state: &AppState, asked: &parse::BuildRequest) -> Result<Acceptance, ApiError> {
    let catalog = state.catalog.current()?;
    let distribution = catalog.asked(asked.distribution.as_deref())?;
    Ok(acceptance::accept(&asked.asked, distribution)?)
}
