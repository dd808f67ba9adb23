//! Renders the result of a request or look-up as an answer of `/api/v1`.

use axum::response::Response;

use super::answers;
use crate::{answers::Dialect, error::ApiError, known::Known, state::AppState};

/// Makes the answer for a build.
///
/// # Errors
/// When the record of a finished build must be read and the database is unavailable.
pub async fn respond(state: &AppState, known: &Known) -> Result<Response, ApiError> {
    match known {
        Known::Finished(build) => {
            let answer = state.answers.of(build, Dialect::V1).await?;
            Ok(answers::finished_response(&answer))
        }
        Known::Alive(entry) => {
            let position = || state.cluster.watch.place(entry, state.now());
            answers::waiting(entry, (!entry.admitted).then(position))
        }
    }
}
