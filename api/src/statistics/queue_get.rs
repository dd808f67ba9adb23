//! `GET /api/v1/stats` and `GET /api/v1/stats/summary`: how much there is to do.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Error},
    legacy::respond::json,
    state::AppState,
};

/// Length of the queue.
#[derive(Serialize, ToSchema)]
pub struct Queue {
    /// Builds that wait.
    queue_length: usize,
}

/// Length of the queue, and recent builds.
#[derive(Serialize, ToSchema)]
pub struct Summary {
    /// Builds that wait.
    queue_length: usize,
    /// Images of the last 24 hours.
    builds_24h: u64,
}

/// Length of the queue
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats",
    tag = "statistics",
    responses((status = 200, description = "The length", body = Queue))
)]
pub async fn queue_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    json(StatusCode::OK, &Queue { queue_length: state.cluster.watch.waiting() })
}

/// Length of the queue, and images of the last 24 hours
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/summary",
    tag = "statistics",
    responses(
        (status = 200, description = "The numbers", body = Summary),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn summary_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let queue_length = state.cluster.watch.waiting();
    json(StatusCode::OK, &Summary { queue_length, builds_24h: state.recent.images().await? })
}
