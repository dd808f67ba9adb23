//! The overview: everything that clients need before they ask for an image. Its older paths answer 200
//! instead of a redirect, because some clients do not follow redirects.

use axum::{
    extract::{Query, State},
    response::Response,
};
use http::HeaderMap;

use super::Document;
use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// Everything that clients need to know
#[utoipa::path(
    method(get, head),
    path = "/json/v1/overview.json",
    tag = "catalog",
    params(("distro" = Option<String>, Query, description = "Name of the distribution, as in a request")),
    responses(
        (status = 200, description = "Versions, branches, limits", body = super::schema::Overview<'_>),
        (status = 304, description = "Not changed"),
        (status = 400, description = "No such distribution", body = Error<'_>),
        (status = 503, description = "No catalog yet", body = Error<'_>),
    )
)]
pub async fn overview_get(
    State(state): State<AppState>,
    Query(query): Query<super::Query>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    Ok(catalog.document(query.distro.as_deref(), Document::Overview)?.cached(&headers))
}

/// As /json/v1/overview.json
#[utoipa::path(
    method(get, head),
    path = "/api/v1/overview",
    tag = "catalog",
    params(("distro" = Option<String>, Query, description = "Name of the distribution, as in a request")),
    responses((status = 200, description = "As /json/v1/overview.json", body = super::schema::Overview<'_>))
)]
pub async fn overview_v1(
    State(state): State<AppState>,
    Query(query): Query<super::Query>,
) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    Ok(catalog.document(query.distro.as_deref(), Document::Overview)?.plain())
}

/// As /json/v1/overview.json, for LuCI of 21.02 to 23.05.3
#[utoipa::path(
    method(get, head),
    path = "/api/overview",
    tag = "catalog",
    params(("distro" = Option<String>, Query, description = "Name of the distribution, as in a request")),
    responses((status = 200, description = "As /json/v1/overview.json", body = super::schema::Overview<'_>))
)]
pub async fn overview_old(
    state: State<AppState>,
    query: Query<super::Query>,
) -> Result<Response, ApiError> {
    overview_v1(state, query).await
}

/// As /json/v1/overview.json, for the oldest clients
#[utoipa::path(
    method(get, head),
    path = "/overview",
    tag = "catalog",
    params(("distro" = Option<String>, Query, description = "Name of the distribution, as in a request")),
    responses((status = 200, description = "As /json/v1/overview.json", body = super::schema::Overview<'_>))
)]
pub async fn overview_oldest(
    state: State<AppState>,
    query: Query<super::Query>,
) -> Result<Response, ApiError> {
    overview_v1(state, query).await
}
