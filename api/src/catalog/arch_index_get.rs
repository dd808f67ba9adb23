//! `GET /json/v1/{path}/packages/{arch}-index.json`: the packages of a branch's feeds.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use http::HeaderMap;

use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// Packages of all feeds
#[utoipa::path(
    method(get, head),
    path = "/json/v1/{path}/packages/{index}",
    tag = "catalog",
    params(
        ("path" = String, Path, description = "Folder of a version below the download server, with its slashes: releases/24.10.7"),
        ("index" = String, Path, description = "Package architecture, and -index.json"),
        ("distro" = Option<String>, Query, description = "Name of the distribution, as in a request"),
    ),
    responses(
        (status = 200, description = "The packages of every feed", body = super::schema::ArchPackages<'_>),
        (status = 304, description = "Not changed"),
        (status = 400, description = "No such distribution", body = Error<'_>),
        (status = 404, description = "No such version or architecture", body = Error<'_>),
        (status = 503, description = "Neither in memory nor in reach", body = Error<'_>),
    )
)]
pub async fn arch_index_get(
    State(state): State<AppState>,
    Path((path, file)): Path<(String, String)>,
    Query(query): Query<super::Query>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    let asked = catalog.version_at(query.distro.as_deref(), &path)?;
    let feeds = asked.feeds(file.strip_suffix("-index.json").unwrap_or_default())?;
    Ok(state.upstream.arch_packages(feeds).await?.cached(&headers))
}
