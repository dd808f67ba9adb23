//! `GET /api/v1/stats/packages`: the number of known packages.

use std::collections::BTreeSet;

use axum::extract::State;

use super::{Fresh, fresh};
use crate::{
    error::{ApiError, Error},
    legacy::indexes::indexes,
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
pub async fn packages_get(State(state): State<AppState>) -> Result<Fresh<usize>, ApiError> {
    let catalog = state.catalog.current()?;
    let distribution = catalog.asked(None)?;
    let newest = distribution.offer.latest.first().and_then(|name| distribution.version(name));
    let Some((version, target)) =
        newest.and_then(|version| Some((version, version.ready.keys().next()?)))
    else {
        return Ok(fresh(0));
    };
    let found = indexes(&state, &catalog, distribution, version, target).await?;
    let names: BTreeSet<&str> = found.iter().flat_map(|found| found.available().names()).collect();
    Ok(fresh(names.len()))
}
