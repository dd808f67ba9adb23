//! `GET /api/models`: devices by their display names.

use std::sync::Arc;

use asu_core::{
    catalog::{Distribution, Version},
    names::TargetName,
};
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    error::LegacyError,
    form::LegacyProblem,
    indexes,
    models::{Model, found},
    offer,
    respond::json,
};
use crate::{catalog::Snapshot, error::ApiError, state::AppState};

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
    let models = models(&state, &catalog, distribution, version).await?;
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

/// The devices of a version.
async fn models(
    state: &AppState,
    catalog: &Snapshot,
    distribution: &Distribution,
    version: &Version,
) -> Result<Arc<[Model]>, ApiError> {
    let documents = catalog.upstream(distribution);
    let digest = |target: &TargetName| {
        let of_target = documents?.of_target(&version.name, target.as_str());
        of_target.map(|documents| documents.profiles)
    };
    let targets = version.ready.keys().map(|target| (target.clone(), digest(target)));
    let source = (distribution.name.clone(), version.name.clone(), targets.collect());
    // The future is large, and would make that of each search large.
    state.models.of(source, Box::pin(made(state, catalog, distribution, version))).await
}

async fn made(
    state: &AppState,
    catalog: &Snapshot,
    distribution: &Distribution,
    version: &Version,
) -> Result<Arc<[Model]>, ApiError> {
    let mut models = Vec::new();
    for (name, target) in &version.ready {
        let devices = indexes::devices(state, catalog, distribution, version, name).await?;
        let titles = devices.as_ref().map(|devices| &devices.titles);
        for profile in target.profiles.iter() {
            let titles = titles.and_then(|titles| titles.get(&profile.id));
            let shown = titles.map(Vec::as_slice).filter(|titles| !titles.is_empty());
            let id = [profile.id.to_string()];
            let shown = shown.unwrap_or(&id).iter();
            models.extend(shown.map(|title| Model::new(name.clone(), profile.id.clone(), title)));
        }
    }
    Ok(models.into())
}
