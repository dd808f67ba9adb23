//! `GET /api/v1/stats/images_latest`: the newest images.

use axum::{extract::State, response::Response};
use http::StatusCode;

use crate::{
    error::{ApiError, Error},
    legacy::{
        image_get::{LegacyImage, image},
        respond::json,
    },
    state::AppState,
};

/// Newest images
#[utoipa::path(
    method(get, head),
    path = "/api/v1/stats/images_latest",
    tag = "statistics",
    responses(
        (status = 200, description = "At most 50 images without a first-boot script, newest first", body = [LegacyImage]),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn images_latest_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    json(StatusCode::OK, &newest(&state).await?)
}

/// The newest images whose files are kept.
///
/// # Errors
/// If they are not in memory, and the database is unavailable.
pub(super) async fn newest(state: &AppState) -> Result<Vec<LegacyImage>, ApiError> {
    let records = state.statistics.images().await?;
    let kept = records.iter().filter(|record| record.files_deleted_at.is_none());
    kept.map(|record| image(state, record)).collect()
}
