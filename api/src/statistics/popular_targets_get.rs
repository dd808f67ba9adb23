//! `GET /api/v1/stats/popular_targets`: what is built most.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Error},
    legacy::respond::json,
    state::AppState,
};

/// A target and how many images were built for it.
#[derive(Serialize, ToSchema)]
pub struct PopularTarget {
    /// Number of images.
    count: u64,
    /// Average duration of a build in seconds.
    build_seconds: u64,
    /// Board and subtarget.
    target: String,
}

/// Targets of most images
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/popular_targets",
    tag = "statistics",
    responses(
        (status = 200, description = "At most 50 targets, most first", body = [PopularTarget]),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn popular_targets_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let targets = state.statistics.targets().await?;
    let row = |count: &asu_store::model::TargetCount| PopularTarget {
        count: count.builds,
        build_seconds: count.seconds.checked_div(count.builds).unwrap_or_default(),
        target: count.target.clone(),
    };
    json(StatusCode::OK, &targets.iter().map(row).collect::<Vec<_>>())
}
