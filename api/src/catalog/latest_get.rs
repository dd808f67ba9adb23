//! `GET /json/v1/latest.json`.

use axum::{extract::State, response::Response};
use http::HeaderMap;

use super::Document;
use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// The newest versions
#[utoipa::path(
    method(get, head),
    path = "/json/v1/latest.json",
    tag = "catalog",
    responses(
        (status = 200, description = "The newest versions", body = super::schema::Latest<'_>),
        (status = 304, description = "Not changed"),
        (status = 503, description = "No catalog yet", body = Error<'_>),
    )
)]
pub async fn latest_get(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Ok(state.catalog.current()?.document(None, Document::Latest)?.cached(&headers))
}
