//! `GET /json/v1/branches.json`.

use axum::{extract::State, response::Response};
use http::HeaderMap;

use super::Document;
use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// The branches, newest first
#[utoipa::path(
    method(get, head),
    path = "/json/v1/branches.json",
    tag = "catalog",
    responses(
        (status = 200, description = "The branches, newest first", body = Vec<super::schema::BranchDocument<'_>>),
        (status = 304, description = "Not changed"),
        (status = 503, description = "No catalog yet", body = Error<'_>),
    )
)]
pub async fn branches_get(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Ok(state.catalog.current()?.document(None, Document::Branches)?.cached(&headers))
}
