//! `GET /api/v1/stats/packages`: the number of known packages.

use std::collections::BTreeSet;

use axum::{extract::State, response::Response};
use http::StatusCode;

use crate::{
    error::{ApiError, Error},
    legacy::{indexes::indexes, respond::json},
    state::AppState,
};

/// Number of packages
///
/// Names that a request for the newest recommended version of the default distribution may contain, for its
/// first target.
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/packages",
    tag = "statistics",
    responses(
        (status = 200, description = "The number; 0 while no index is known", body = usize),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn packages_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let catalog = state.catalog.current()?;
    let distribution = catalog.asked(None)?;
    let newest = distribution.offer.latest.first().and_then(|name| distribution.version(name));
    let Some((version, target)) =
        newest.and_then(|version| Some((version, version.ready.keys().next()?)))
    else {
        return json(StatusCode::OK, &0);
    };
    let found = indexes(&state, &catalog, distribution, version, target).await?;
    let names: BTreeSet<&str> = found.iter().flat_map(|found| found.available().names()).collect();
    json(StatusCode::OK, &names.len())
}
