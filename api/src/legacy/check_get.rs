//! `GET /api/upgrade-check/{hash}`: a check that was asked for before, answered anew.

use asu_core::digest::Digest;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{check, error::LegacyError, form::LegacyProblem};
use crate::{error::ApiError, state::AppState};

/// The same check again, for clients of 2018 and 2019
///
/// The server remembers checks for some time, and only in the memory of one process. After 404, the check is
/// sent again with POST.
#[utoipa::path(
    method(get, head),
    path = "/api/upgrade-check/{request_hash}",
    tag = "legacy",
    params(("request_hash" = String, Path, description = "`request_hash` of the answer, or its `X-Request-Hash`")),
    responses(
        (status = 200, description = "There are upgrades", body = check::LegacyUpgrades),
        (status = 204, description = "There are none; `X-Request-Hash` names the check"),
        (status = 404, description = "The check is not known (any more)", body = LegacyProblem<'_>),
        (status = 412, description = "The distribution, version or target is no longer offered", body = LegacyProblem<'_>),
        (status = 422, description = "Unknown packages, see `X-Unknown-Package`", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn upgrade_check_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, LegacyError> {
    let hash = hash.parse::<Digest>().map_err(|_| ApiError::UnknownHash)?;
    let asked = state.checks.get(&hash).ok_or(ApiError::UnknownHash)?;
    check::answer(&state, &asked, hash).await
}
