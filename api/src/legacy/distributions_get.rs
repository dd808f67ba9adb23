//! `GET /api/distros`, `/api/versions` and `/api/distributions`: what is offered. The names of keys of 2018
//! and of 2019 are both there.

use std::collections::BTreeMap;

use asu_core::catalog::{Distribution, Version};
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{error::LegacyError, form::LegacyProblem, offer, respond::json};
use crate::state::AppState;

/// A distribution.
#[derive(Serialize, ToSchema)]
pub struct LegacyDistro<'a> {
    id: usize,
    distro_id: usize,
    name: &'a str,
    distro: &'a str,
    alias: &'a str,
    distro_alias: &'a str,
    /// The version that is offered to devices.
    latest: Option<&'a str>,
    description: &'a str,
    distro_description: &'a str,
}

/// A version of a distribution.
#[derive(Serialize, ToSchema)]
pub struct LegacyVersion<'a> {
    id: usize,
    version_id: usize,
    distro: &'a str,
    distro_alias: &'a str,
    version: &'a str,
    alias: &'a str,
    version_alias: &'a str,
    description: &'a str,
    version_description: &'a str,
    /// Whether upstream rebuilds it under the same name.
    snapshots: bool,
}

/// A distribution with its versions.
#[derive(Serialize, ToSchema)]
pub struct LegacyDistribution<'a> {
    distro_alias: &'a str,
    distro_description: &'a str,
    latest: Option<&'a str>,
    versions: BTreeMap<&'a str, LegacyVersionInfo<'a>>,
}

/// What is said of a version.
#[derive(Serialize, ToSchema)]
pub struct LegacyVersionInfo<'a> {
    version_alias: &'a str,
    version_description: &'a str,
    snapshots: bool,
}

/// Query of [`versions_get`].
#[derive(Debug, Default, Deserialize)]
pub struct OfDistro {
    distro: Option<String>,
}

/// Distributions, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/distros",
    tag = "legacy",
    responses(
        (status = 200, description = "All distributions, by display name", body = Vec<LegacyDistro<'_>>),
        (status = 503, description = "The catalog was not read yet", body = LegacyProblem<'_>),
    )
)]
pub async fn distros_get(State(state): State<AppState>) -> Result<Response, LegacyError> {
    let catalog = state.catalog.current()?;
    let mut all: Vec<&Distribution> = offer::distributions(&catalog).collect();
    all.sort_by_key(|distribution| offer::title(distribution));
    let rows = all.into_iter().enumerate().map(|(place, distribution)| {
        let (id, name) = (place.saturating_add(1), distribution.name.as_str());
        let (alias, description) = (offer::title(distribution), offer::description(distribution));
        LegacyDistro {
            id,
            distro_id: id,
            name,
            distro: name,
            alias,
            distro_alias: alias,
            latest: offer::shown_latest(distribution),
            description,
            distro_description: description,
        }
    });
    Ok(json(StatusCode::OK, &rows.collect::<Vec<_>>())?)
}

/// Versions, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/versions",
    tag = "legacy",
    params(("distro" = Option<String>, Query, description = "Only versions of this distribution")),
    responses(
        (status = 200, description = "Versions, newest first", body = Vec<LegacyVersion<'_>>),
        (status = 503, description = "The catalog was not read yet", body = LegacyProblem<'_>),
    )
)]
pub async fn versions_get(
    State(state): State<AppState>,
    Query(query): Query<OfDistro>,
) -> Result<Response, LegacyError> {
    let catalog = state.catalog.current()?;
    let asked = query.distro.as_deref().filter(|name| !name.is_empty());
    let wanted = |distribution: &&Distribution| {
        asked.is_none_or(|name| distribution.name.eq_ignore_ascii_case(name))
    };
    let all = catalog.catalog().distributions.iter().filter(wanted);
    let all = all.flat_map(|distribution| {
        distribution.versions.iter().map(move |version| (distribution, &**version))
    });
    let rows = all.enumerate().map(|(place, (distribution, version))| {
        row(place.saturating_add(1), distribution, version)
    });
    Ok(json(StatusCode::OK, &rows.collect::<Vec<_>>())?)
}

fn row<'a>(id: usize, of: &'a Distribution, version: &'a Version) -> LegacyVersion<'a> {
    let alias = offer::version_title(of, version);
    let description = offer::version_description(of, version);
    LegacyVersion {
        id,
        version_id: id,
        distro: &of.name,
        distro_alias: offer::title(of),
        version: &version.name,
        alias,
        version_alias: alias,
        description,
        version_description: description,
        snapshots: version.snapshot,
    }
}

/// Distributions with their versions, for Chef
#[utoipa::path(
    method(get, head),
    path = "/api/distributions",
    tag = "legacy",
    responses(
        (status = 200, description = "Distributions by name", body = BTreeMap<String, LegacyDistribution<'_>>),
        (status = 503, description = "The catalog was not read yet", body = LegacyProblem<'_>),
    )
)]
pub async fn distributions_get(State(state): State<AppState>) -> Result<Response, LegacyError> {
    let catalog = state.catalog.current()?;
    let all = offer::distributions(&catalog).map(|distribution| {
        let versions = distribution.versions.iter().map(|version| {
            let info = LegacyVersionInfo {
                version_alias: offer::version_title(distribution, version),
                version_description: offer::version_description(distribution, version),
                snapshots: version.snapshot,
            };
            (version.name.as_str(), info)
        });
        let described = LegacyDistribution {
            distro_alias: offer::title(distribution),
            distro_description: offer::description(distribution),
            latest: offer::shown_latest(distribution),
            versions: versions.collect(),
        };
        (distribution.name.as_str(), described)
    });
    Ok(json(StatusCode::OK, &all.collect::<BTreeMap<_, _>>())?)
}
