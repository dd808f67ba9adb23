//! `GET /api/v1/stats/images_latest`: the newest images.

use axum::extract::State;

use super::{Fresh, fresh};
use crate::{
    error::{ApiError, Error},
    legacy::image_get::{LegacyImage, image},
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
pub async fn images_latest_get(
    State(state): State<AppState>,
) -> Result<Fresh<Vec<LegacyImage>>, ApiError> {
    Ok(fresh(newest(&state).await?))
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
