//! `GET /api/models`: devices by their display names.

use asu_core::{
    catalog::Target,
    names::{ProfileId, TargetName},
};
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{error::LegacyError, form::LegacyProblem, indexes, offer, respond::json};
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
    model: String,
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
    let mut all = Vec::new();
    for (name, target) in &version.ready {
        let devices = indexes::devices(&state, &catalog, distribution, version, name).await?;
        let titles = devices.as_ref().map(|devices| &devices.titles);
        all.extend(target.profiles.iter().map(|profile| {
            let titles = titles.and_then(|titles| titles.get(&profile.id));
            let titles = titles.filter(|titles| !titles.is_empty()).cloned();
            let titles = titles.unwrap_or_else(|| vec![profile.id.to_string()]);
            Device { name, target, profile: &profile.id, titles }
        }));
    }
    let rows = found(&all, &query.model_search.trim().to_lowercase());
    let rows = rows.into_iter().take(MAX_ROWS).map(|(device, model)| LegacyModel {
        distro: &distribution.name,
        distro_alias: offer::title(distribution),
        version: &version.name,
        version_alias: offer::version_title(distribution, version),
        version_description: offer::version_description(distribution, version),
        snapshots: version.snapshot,
        target: device.name.as_str(),
        subtarget: device.name.parts().1,
        supported: offer::has_sysupgrade(device.target).unwrap_or(true),
        profile: device.profile.as_str(),
        model: model.clone(),
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

struct Device<'a> {
    name: &'a TargetName,
    target: &'a Target,
    profile: &'a ProfileId,
    titles: Vec<String>,
}

fn found<'d, 'a>(all: &'d [Device<'a>], search: &str) -> Vec<(&'d Device<'a>, &'d String)> {
    let titled = |device: &'d Device<'a>| device.titles.iter().map(move |title| (device, title));
    let by_title = all.iter().flat_map(titled);
    let hits: Vec<_> =
        by_title.filter(|(_, title)| title.to_lowercase().contains(search)).collect();
    if !hits.is_empty() {
        return hits;
    }
    let named = |device: &&Device<'_>| {
        let names = [device.name.as_str(), device.profile.as_str()];
        names.iter().any(|name| name.to_lowercase().contains(search))
    };
    all.iter().filter(named).flat_map(titled).collect()
}
