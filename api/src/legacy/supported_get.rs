//! `GET /api/v1/supported`: targets whose devices can be upgraded.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{error::LegacyError, form::LegacyProblem, offer, respond::json};
use crate::state::AppState;

/// A target of a version.
#[derive(Serialize, ToSchema)]
pub struct LegacyTarget<'a> {
    distro: &'a str,
    distro_alias: &'a str,
    version: &'a str,
    version_alias: &'a str,
    /// Whether upstream rebuilds the version under the same name.
    snapshots: bool,
    /// target/subtarget.
    target: &'a str,
    subtarget: &'a str,
    /// Always true.
    supported: bool,
}

/// Targets whose devices can be upgraded, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/v1/supported",
    tag = "legacy",
    responses(
        (status = 200, description = "Targets of all versions", body = Vec<LegacyTarget<'_>>),
        (status = 503, description = "The catalog was not read yet", body = LegacyProblem<'_>),
    )
)]
pub async fn supported_get(State(state): State<AppState>) -> Result<Response, LegacyError> {
    let catalog = state.catalog.current()?;
    let mut rows = Vec::new();
    for distribution in &catalog.catalog().distributions {
        for version in &distribution.versions {
            for (name, target) in &version.ready {
                if offer::has_sysupgrade(target) == Some(false) {
                    continue;
                }
                rows.push(LegacyTarget {
                    distro: &distribution.name,
                    distro_alias: offer::title(distribution),
                    version: &version.name,
                    version_alias: offer::version_title(distribution, version),
                    snapshots: version.snapshot,
                    target: name.as_str(),
                    subtarget: name.parts().1,
                    supported: true,
                });
            }
        }
    }
    Ok(json(StatusCode::OK, &rows)?)
}
