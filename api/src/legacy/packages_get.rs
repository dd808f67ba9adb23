//! `GET /api/packages_image` and `GET /api/default_packages`: the packages of an image without a list.

use std::collections::BTreeSet;

use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use asu_core::legacy::key::Style;

use super::{
    error::LegacyError, form::LegacyProblem, indexes, models_get::required, object::AskedTarget,
    offer, respond::json,
};
use crate::state::AppState;

/// Query of both routes.
#[derive(Debug, Default, Deserialize)]
pub struct ImageQuery {
    distro: Option<String>,
    version: Option<String>,
    target: Option<String>,
    subtarget: Option<String>,
    profile: Option<String>,
}

/// The packages of an image, for pages of 2018.
#[derive(Serialize, ToSchema)]
pub struct LegacyPackages {
    packages: BTreeSet<String>,
}

/// Packages of an image without a list, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/packages_image",
    tag = "legacy",
    params(
        ("distro" = String, Query, description = "Name of the distribution"),
        ("version" = String, Query, description = "For example 18.06.2"),
        ("target" = String, Query, description = "target/subtarget, or only the target"),
        ("subtarget" = Option<String>, Query, description = "If it is not in `target`"),
        ("profile" = String, Query, description = "Id of the profile"),
    ),
    responses(
        (status = 200, description = "Names of packages, sorted", body = Vec<String>),
        (status = 400, description = "A parameter is missing, see `X-Missing-Param`", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn packages_image_get(
    State(state): State<AppState>,
    Query(query): Query<ImageQuery>,
) -> Result<Response, LegacyError> {
    Ok(json(StatusCode::OK, &packages(&state, &query).await?)?)
}

/// Packages of an image without a list, for pages of 2018
#[utoipa::path(
    method(get, head),
    path = "/api/default_packages",
    tag = "legacy",
    params(
        ("distro" = String, Query, description = "Name of the distribution"),
        ("version" = String, Query, description = "For example 18.06.2"),
        ("target" = String, Query, description = "target/subtarget, or only the target"),
        ("subtarget" = Option<String>, Query, description = "If it is not in `target`"),
        ("profile" = String, Query, description = "Id of the profile"),
    ),
    responses(
        (status = 200, description = "Names of packages, sorted", body = LegacyPackages),
        (status = 400, description = "A parameter is missing, see `X-Missing-Param`", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn default_packages_get(
    State(state): State<AppState>,
    Query(query): Query<ImageQuery>,
) -> Result<Response, LegacyError> {
    let packages = packages(&state, &query).await?;
    Ok(json(StatusCode::OK, &LegacyPackages { packages })?)
}

/// The packages of the target, of the profile, and of the distribution itself. An unknown profile has those of
/// the target, and an unknown target has none.
async fn packages(state: &AppState, query: &ImageQuery) -> Result<BTreeSet<String>, LegacyError> {
    let distro = required(query.distro.as_deref(), "distro")?;
    let version = required(query.version.as_deref(), "version")?;
    let target = required(query.target.as_deref(), "target")?;
    let profile = required(query.profile.as_deref(), "profile")?;
    let name = if target.contains('/') {
        target.to_owned()
    } else {
        format!("{target}/{}", required(query.subtarget.as_deref(), "subtarget")?)
    };
    let catalog = state.catalog.current()?;
    let Ok(distribution) = offer::distribution(&catalog, distro) else {
        return Ok(BTreeSet::new());
    };
    let Ok(version) = offer::version(distribution, version) else { return Ok(BTreeSet::new()) };
    let Ok((name, _)) = offer::target(version, &AskedTarget { name, style: Style::Joined }) else {
        return Ok(BTreeSet::new());
    };
    let devices = indexes::devices(state, &catalog, distribution, version, &name).await?;
    let Some(devices) = devices else { return Ok(BTreeSet::new()) };
    let of_profile = devices.packages.get(profile).into_iter().flatten();
    let own = &distribution.offer.default_packages;
    Ok(devices.default_packages.iter().chain(of_profile).chain(own).cloned().collect())
}
