//! `GET /api/v1/top-packages`: what was requested most in the last days.

use asu_store::model::PackageCount;
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    query_number::number,
    recent::{DAYS, MAX_PACKAGES},
};
use crate::{
    error::{ApiError, Error},
    legacy::respond::json,
    state::AppState,
};

/// Number of packages without `n`.
const DEFAULT: usize = 30;
/// Maximum length of the name of a branch.
const MAX_BRANCH: usize = 64;

/// Query of [`top_packages_get`].
#[derive(Debug, Default, Deserialize)]
pub struct PackagesQuery {
    branch: Option<String>,
    n: Option<String>,
}

/// The packages of the last days.
#[derive(Serialize, ToSchema)]
pub struct TopPackages {
    /// Most builds first.
    packages: Vec<TopPackage>,
    /// The branch that was asked for.
    branch: Option<String>,
    /// Number of days.
    days: u16,
}

/// A package.
#[derive(Serialize, ToSchema)]
pub struct TopPackage {
    name: String,
    /// Number of builds.
    count: u64,
}

/// Packages that most builds requested in the last 30 days
#[utoipa::path(
    method(get, head),
    path = "/api/v1/top-packages",
    tag = "statistics",
    params(
        ("branch" = Option<String>, Query, description = "Only builds of this branch"),
        ("n" = Option<u32>, Query, description = "Maximum number of packages, at most 100"),
    ),
    responses(
        (status = 200, description = "The packages", body = TopPackages),
        (status = 422, description = "`n` is not a number", body = Error<'_>),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn top_packages_get(
    State(state): State<AppState>,
    Query(query): Query<PackagesQuery>,
) -> Result<Response, ApiError> {
    let most = number(query.n.as_deref(), DEFAULT, MAX_PACKAGES)?;
    let branch = query.branch.filter(|branch| !branch.is_empty());
    // No branch has such a name, and the database is not asked for it.
    let impossible = branch.as_ref().is_some_and(|branch| {
        branch.len() > MAX_BRANCH || branch.contains(|c: char| !c.is_ascii_graphic())
    });
    let packages: Vec<TopPackage> = if impossible {
        Vec::new()
    } else {
        let all = state.recent.packages(branch.as_deref()).await?;
        all.iter().take(most).map(row).collect()
    };
    json(StatusCode::OK, &TopPackages { packages, branch, days: DAYS })
}

fn row(count: &PackageCount) -> TopPackage {
    TopPackage { name: count.package.clone(), count: count.builds }
}
