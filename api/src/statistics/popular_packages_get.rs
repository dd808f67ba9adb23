//! `GET /api/v1/stats/popular_packages`: what is requested most.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Error},
    legacy::respond::json,
    state::AppState,
};

/// A package and how many builds requested it.
#[derive(Serialize, ToSchema)]
pub struct PopularPackage {
    /// Its name, with a leading minus if the requests leave it out.
    package_name: String,
    /// Number of builds.
    count: u64,
}

/// Packages that most builds requested
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/popular_packages",
    tag = "statistics",
    responses(
        (status = 200, description = "At most 50 packages, most first", body = [PopularPackage]),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn popular_packages_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let packages = state.statistics.packages().await?;
    let row = |count: &asu_store::model::PackageCount| PopularPackage {
        package_name: count.package.clone(),
        count: count.builds,
    };
    json(StatusCode::OK, &packages.iter().map(row).collect::<Vec<_>>())
}
