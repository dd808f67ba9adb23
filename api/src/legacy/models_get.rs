//! `GET /api/models`: devices by their display names.

use asu_core::{catalog::Version, names::TargetName};
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{error::LegacyError, form::LegacyProblem, models::found, offer, respond::json};
use crate::state::AppState;

/// Maximum number of devices in an answer. A version has about 2,000.
const MAX_ROWS: usize = 5000;

/// A device of a version.
#[derive(Serialize, ToSchema)]
pub struct LegacyModel<'a> {
    distro: &'a str,
    distro_alias: &'a str,
    version: &'a str,
    version_alias: &'a str,
    version_description: &'a str,
    /// Whether upstream rebuilds the version under the same name.
    snapshots: bool,
    /// target/subtarget.
    target: &'a str,
    subtarget: &'a str,
    /// Whether its devices can be upgraded with sysupgrade, as far as this is known.
    supported: bool,
    /// Id of the profile.
    profile: &'a str,
    /// Display name.
    model: &'a str,
}

/// Query of [`models_get`].
#[derive(Debug, Default, Deserialize)]
pub struct ModelQuery {
    distro: Option<String>,
    version: Option<String>,
    #[serde(default)]
    model_search: String,
}

/// Devices by display name, for pages of 2018 and 2019
///
/// Without any hit among the display names, the names of targets and profiles are searched.
#[utoipa::path(
    method(get, head),
    path = "/api/models",
    tag = "legacy",
    params(
        ("distro" = String, Query, description = "Name of the distribution"),
        ("version" = String, Query, description = "For example 18.06.2"),
        ("model_search" = Option<String>, Query, description = "A part of the display name; all devices without it"),
    ),
    responses(
        (status = 200, description = "The devices", body = Vec<LegacyModel<'_>>),
        (status = 400, description = "A parameter is missing, see `X-Missing-Param`", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn models_get(
    State(state): State<AppState>,
    Query(query): Query<ModelQuery>,
) -> Result<Response, LegacyError> {
    let distro = required(query.distro.as_deref(), "distro")?;
    let version = required(query.version.as_deref(), "version")?;
    let catalog = state.catalog.current()?;
    let none: [LegacyModel<'_>; 0] = [];
    // As with a search without hits.
    let Ok(distribution) = offer::distribution(&catalog, distro) else {
        return Ok(json(StatusCode::OK, &none)?);
    };
    let Ok(version) = offer::version(distribution, version) else {
        return Ok(json(StatusCode::OK, &none)?);
    };
    let models = state.models.of(&state, &catalog, distribution, version).await?;
    let rows = found(&models, &query.model_search.trim().to_lowercase());
    let rows = rows.into_iter().take(MAX_ROWS).map(|model| LegacyModel {
        distro: &distribution.name,
        distro_alias: offer::title(distribution),
        version: &version.name,
        version_alias: offer::version_title(distribution, version),
        version_description: offer::version_description(distribution, version),
        snapshots: version.snapshot,
        target: model.target.as_str(),
        subtarget: model.target.parts().1,
        supported: supported(version, &model.target),
        profile: model.profile.as_str(),
        model: &model.title,
    });
    Ok(json(StatusCode::OK, &rows.collect::<Vec<_>>())?)
}

/// A parameter of a query that must be there.
///
/// # Errors
/// If it is absent or empty.
pub fn required<'a>(value: Option<&'a str>, name: &'static str) -> Result<&'a str, LegacyError> {
    value.map(str::trim).filter(|value| !value.is_empty()).ok_or(LegacyError::Missing(name))
}

/// Whether devices of a target can be upgraded with sysupgrade, as far as it is known.
fn supported(version: &Version, target: &TargetName) -> bool {
    version.ready.get(target).and_then(offer::has_sysupgrade).unwrap_or(true)
}
