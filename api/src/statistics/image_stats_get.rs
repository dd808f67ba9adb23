//! `GET /api/v1/stats/image_stats`: numbers of images.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::images_latest_get;
use crate::{
    error::{ApiError, Error},
    legacy::{image_get::LegacyImage, respond::json},
    state::AppState,
};

/// Maximum number of images of `/api/v1/stats/images`.
const LAST: usize = 20;

/// Numbers of images.
#[derive(Serialize, ToSchema)]
pub struct ImageStats {
    /// Images that were ever made.
    total: u64,
    /// Images that can be downloaded now.
    stored: u64,
    /// Requests that wait.
    requested: usize,
}

/// Numbers of images, and the newest ones.
#[derive(Serialize, ToSchema)]
pub struct Images {
    #[serde(flatten)]
    stats: ImageStats,
    /// The newest images, at most 20.
    last: Vec<LegacyImage>,
}

/// Numbers of images and the newest ones
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/images",
    tag = "statistics",
    responses(
        (status = 200, description = "The numbers and images", body = Images),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn images_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let mut last = images_latest_get::newest(&state).await?;
    last.truncate(LAST);
    json(StatusCode::OK, &Images { stats: stats(&state).await?, last })
}

/// Numbers of images
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/image_stats",
    tag = "statistics",
    responses(
        (status = 200, description = "The numbers", body = ImageStats),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn image_stats_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    json(StatusCode::OK, &stats(&state).await?)
}

async fn stats(state: &AppState) -> Result<ImageStats, ApiError> {
    let totals = state.statistics.totals().await?;
    let requested = state.cluster.watch.waiting();
    Ok(ImageStats { total: totals.made, stored: totals.stored, requested })
}
