//! `GET /json/v1/{path}/targets/{target}/{subtarget}/index.json`: the packages of a target.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use http::HeaderMap;

use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// Packages of a target
#[utoipa::path(
    method(get, head),
    path = "/json/v1/{path}/targets/{target}/{subtarget}/index.json",
    tag = "catalog",
    params(
        ("path" = String, Path, description = "Folder of a version below the download server, with its slashes: releases/24.10.7"),
        ("target" = String, Path, description = "For example ath79"),
        ("subtarget" = String, Path, description = "For example generic"),
        ("distro" = Option<String>, Query, description = "Name of the distribution, as in a request"),
    ),
    responses(
        (status = 200, description = "The target's own packages and its kernel modules", body = super::schema::TargetPackages<'_>),
        (status = 304, description = "Not changed"),
        (status = 400, description = "No such distribution", body = Error<'_>),
        (status = 404, description = "No such version or target", body = Error<'_>),
        (status = 503, description = "Neither in memory nor in reach", body = Error<'_>),
    )
)]
pub async fn target_index_get(
    State(state): State<AppState>,
    Path((path, target, subtarget)): Path<(String, String, String)>,
    Query(query): Query<super::Query>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    let asked = catalog.version_at(query.distro.as_deref(), &path)?;
    let (_, documents) = asked.target(&format!("{target}/{subtarget}"))?;
    let unknown = ApiError::NotFound("the packages of this target are not known");
    let document = state.upstream.target_packages(documents.packages.ok_or(unknown)?).await?;
    Ok(document.cached(&headers))
}
