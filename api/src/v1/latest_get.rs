//! `GET /api/v1/latest`: the newest versions.

use axum::{extract::State, response::Response};

use crate::{catalog::Document, error::ApiError, state::AppState};

/// Newest versions
#[utoipa::path(
    method(get, head),
    path = "/api/v1/latest",
    tag = "catalog",
    responses((status = 200, description = "As /json/v1/latest.json", body = crate::catalog::schema::Latest<'_>))
)]
pub async fn latest_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    Ok(state.catalog.current()?.document(None, Document::Latest)?.plain())
}
