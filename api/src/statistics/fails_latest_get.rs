//! `GET /api/v1/stats/fails_latest`: the newest failures.

use asu_core::failure::FailureReason;
use asu_store::model::BuildRecord;
use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Error},
    iso::iso,
    legacy::respond::json,
    state::AppState,
};

/// A failed request.
#[derive(Serialize, ToSchema)]
pub struct LatestFailure {
    /// Hash of the request.
    request_hash: String,
    distro: String,
    version: String,
    /// Board and subtarget.
    target: String,
    profile: String,
    /// manifest_fail (packages do not fit together), imagesize_fail (too big) or build_fail.
    request_status: &'static str,
    /// Reason of the failure, one word.
    reason: &'static str,
    /// Time at which the build ended.
    request_date: String,
}

/// Newest failures
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/fails_latest",
    tag = "statistics",
    responses(
        (status = 200, description = "At most 50 failures without a first-boot script, newest first", body = [LatestFailure]),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn fails_latest_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let records = state.statistics.failures().await?;
    json(StatusCode::OK, &records.iter().filter_map(failure).collect::<Vec<_>>())
}

fn failure(record: &BuildRecord) -> Option<LatestFailure> {
    let (facts, request) = (&record.facts, &record.facts.request);
    let reason = facts.ending.failure()?.reason;
    Some(LatestFailure {
        request_hash: facts.request_hash.to_string(),
        distro: request.distribution.clone(),
        version: request.version.clone(),
        target: request.target.to_string(),
        profile: request.profile.to_string(),
        request_status: match reason {
            FailureReason::PackageSelection | FailureReason::PackageVersion => "manifest_fail",
            FailureReason::ImageTooBig => "imagesize_fail",
            _ => "build_fail",
        },
        reason: reason.as_str(),
        request_date: iso(facts.times.finished),
    })
}
