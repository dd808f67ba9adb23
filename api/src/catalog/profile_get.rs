//! `GET /json/v1/{path}/targets/{target}/{subtarget}/{profile}.json`: upstream's description of a
//! profile.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use http::HeaderMap;

use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// A profile, as upstream describes it
#[utoipa::path(
    method(get, head),
    path = "/json/v1/{path}/targets/{target}/{subtarget}/{profile}",
    tag = "catalog",
    params(
        ("path" = String, Path, description = "Folder of a version below the download server, with its slashes: releases/24.10.7"),
        ("target" = String, Path, description = "For example ath79"),
        ("subtarget" = String, Path, description = "For example generic"),
        ("profile" = String, Path, description = "Id of the profile, and .json"),
        ("distro" = Option<String>, Query, description = "Name of the distribution, as in a request"),
    ),
    responses(
        (status = 200, description = "What upstream says of the target, overlaid with what it says of the profile", body = super::schema::ProfileDocument),
        (status = 304, description = "Not changed"),
        (status = 400, description = "No such distribution", body = Error<'_>),
        (status = 404, description = "No such version, target or profile", body = Error<'_>),
        (status = 503, description = "Neither in memory nor in reach", body = Error<'_>),
    )
)]
pub async fn profile_get(
    State(state): State<AppState>,
    Path((path, target, subtarget, file)): Path<(String, String, String, String)>,
    Query(query): Query<super::Query>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    let asked = catalog.version_at(query.distro.as_deref(), &path)?;
    let (target, documents) = asked.target(&format!("{target}/{subtarget}"))?;
    let id = file.strip_suffix(".json");
    let profile = target.profiles.iter().find(|profile| Some(profile.id.as_str()) == id);
    let profile = profile.ok_or(ApiError::NotFound("no such profile"))?;
    let built_at = target.source_date_epoch;
    let document =
        state.upstream.profile(documents.profiles, profile.id.as_str(), built_at).await?;
    Ok(document.cached(&headers))
}
