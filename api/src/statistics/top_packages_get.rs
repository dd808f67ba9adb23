//! `GET /api/v1/top-packages`: what was requested most in the last days.

use asu_store::model::PackageCount;
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::recent::{DAYS, MAX_PACKAGES};
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

/// The number in a query, at most `max`.
///
/// # Errors
/// If it is not a number from zero on.
pub fn number(text: Option<&str>, default: usize, max: u32) -> Result<usize, ApiError> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(default.min(max)),
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            // More digits than a number can have are a number that is too large.
            Ok(text.parse().unwrap_or(max).min(max))
        }
        Some(_) => Err(ApiError::Fields("n: must be a number from 0 on".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_bounded_and_anything_else_is_refused() {
        for (text, expected) in
            [(None, 30), (Some(""), 30), (Some("0"), 0), (Some("7"), 7), (Some("101"), 100)]
        {
            assert_eq!(number(text, 30, 100).unwrap(), expected, "{text:?}");
        }
        assert_eq!(number(Some("99999999999999999999999"), 30, 100).unwrap(), 100);
        for bad in ["-1", "x", "1.5", "0x1", "१"] {
            assert_eq!(number(Some(bad), 30, 100).unwrap_err().status(), 422, "{bad}");
        }
    }
}
