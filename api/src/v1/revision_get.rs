//! `GET /api/v1/revision/{version}/{target}/{subtarget}`: the revision of a target.

use asu_core::version::branch_of;
use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    catalog,
    error::{ApiError, Error},
    state::AppState,
};

/// Which commit a target was built from.
#[derive(Serialize, ToSchema)]
pub struct Revision<'a> {
    /// For example r29197-ab4c7d6af7.
    revision: &'a str,
}

/// Revision of a target
#[utoipa::path(
    method(get, head),
    path = "/api/v1/revision/{version}/{target}/{subtarget}",
    tag = "catalog",
    params(
        ("version" = String, Path, description = "For example 24.10.7"),
        ("target" = String, Path, description = "For example ath79"),
        ("subtarget" = String, Path, description = "For example generic"),
        ("distro" = Option<String>, Query, description = "Name of the distribution, as in a request"),
    ),
    responses(
        (status = 200, description = "The revision", body = Revision<'_>),
        (status = 400, description = "No such version", body = Error<'_>),
        (status = 404, description = "No such target", body = Error<'_>),
    )
)]
pub async fn revision_get(
    State(state): State<AppState>,
    Path((version, target, subtarget)): Path<(String, String, String)>,
    Query(query): Query<catalog::Query>,
) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    let distribution = catalog.asked(query.distro.as_deref())?;
    let shown = |text: &str| text.chars().take(64).collect::<String>();
    let Some(found) = distribution.version(&version) else {
        let is_branch =
            |name: &str| distribution.offer.branches.iter().any(|branch| branch.name == name);
        return Err(match branch_of(&version, is_branch) {
            None => ApiError::Refused(format!("Unsupported version: {}", shown(&version))),
            Some(_) => ApiError::NotFound("Failed to fetch revision: no such version"),
        });
    };
    let target = found
        .ready
        .get(format!("{target}/{subtarget}").as_str())
        .ok_or(ApiError::NotFound("Failed to fetch revision: no such target"))?;
    let body = Json(Revision { revision: &target.version_code });
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}
