//! From what is known of a request to an answer of `/api/v1`.

use axum::response::Response;

use super::answers;
use crate::{answers::Dialect, error::ApiError, known::Known, state::AppState};

/// The answer about a build.
///
/// # Errors
/// When the record of a finished build has to be read and the database is away.
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
