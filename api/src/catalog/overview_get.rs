//! The overview: everything that clients need before they ask for an image. Its older addresses
//! answer with 200 themselves, because some clients follow no redirect.

use axum::{extract::State, response::Response};
use http::HeaderMap;

use super::Document;
use crate::{error::ApiError, openapi, state::AppState};

/// Everything that clients need to know
#[utoipa::path(
    method(get, head),
    path = "/json/v1/overview.json",
    tag = "catalog",
    responses(
        (status = 200, description = "Versions, branches, limits", body = serde_json::Value),
        (status = 304, description = "Not changed"),
        (status = 503, description = "No catalog yet", body = openapi::Error),
    )
)]
pub async fn overview_get(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Ok(state.catalog.current()?.document(Document::Overview)?.cached(&headers))
}

/// As /json/v1/overview.json
#[utoipa::path(
    method(get, head),
    path = "/api/v1/overview",
    tag = "catalog",
    responses((status = 200, description = "As /json/v1/overview.json", body = serde_json::Value))
)]
pub async fn overview_v1(State(state): State<AppState>) -> Result<Response, ApiError> {
    Ok(state.catalog.current()?.document(Document::Overview)?.plain())
}

/// As /json/v1/overview.json, for LuCI of 21.02 to 23.05.3
#[utoipa::path(
    method(get, head),
    path = "/api/overview",
    tag = "catalog",
    responses((status = 200, description = "As /json/v1/overview.json", body = serde_json::Value))
)]
pub async fn overview_old(state: State<AppState>) -> Result<Response, ApiError> {
    overview_v1(state).await
}

/// As /json/v1/overview.json, for the oldest clients
#[utoipa::path(
    method(get, head),
    path = "/overview",
    tag = "catalog",
    responses((status = 200, description = "As /json/v1/overview.json", body = serde_json::Value))
)]
pub async fn overview_oldest(state: State<AppState>) -> Result<Response, ApiError> {
    overview_v1(state).await
}
