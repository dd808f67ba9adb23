//! 202: a build on its way.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{bytes, respond};
use crate::{cluster::Entry, error::ApiError, state::AppState};

/// The answer of a build that is not finished.
///
/// # Errors
/// [`ApiError::Overload`] of one that came when too many waited, by whichever replica.
pub fn waiting(state: &AppState, entry: &Entry) -> Result<Response, ApiError> {
    if entry.admitted {
        let word = entry.stage.as_str();
        return Ok(respond(StatusCode::ACCEPTED, word, "0", bytes(&started(entry))));
    }
    if let Some(earlier) = state.cluster.watch.beyond(entry, state.settings.max_pending) {
        return Err(ApiError::Overload(earlier));
    }
    let position = state.cluster.watch.place(entry, state.now());
    let body = bytes(&queued(entry, position));
    Ok(respond(StatusCode::ACCEPTED, "queued", &position.to_string(), body))
}

/// Never with `queue_position`: LuCI would show a place in the queue during the build.
fn started(entry: &Entry) -> Value {
    json!({
        "status": 202,
        "detail": "started",
        "imagebuilder_status": entry.stage.as_str(),
        "enqueued_at": time(entry),
        "request_hash": entry.hash,
    })
}

fn queued(entry: &Entry, position: usize) -> Value {
    json!({
        "status": 202,
        "detail": "queued",
        "queue_position": position,
        "enqueued_at": time(entry),
        "request_hash": entry.hash,
    })
}

fn time(entry: &Entry) -> String {
    super::success::iso(entry.created)
}

#[cfg(test)]
mod tests {
    use asu_core::stage::Stage;

    use super::*;
    use crate::cluster::entry::tests::entry;

    #[test]
    fn only_a_queued_build_has_a_place_and_only_a_started_one_a_stage() {
        let entry = Entry { stage: Stage::BuildingImage, admitted: true, ..entry("a", 0) };
        let (started, queued) = (started(&entry), queued(&entry, 3));
        assert_eq!(started.get("queue_position"), None);
        assert_eq!(started["imagebuilder_status"], "building_image");
        assert_eq!(queued["queue_position"], 3);
        assert_eq!(queued.get("imagebuilder_status"), None);
        for body in [started, queued] {
            assert_eq!(body["status"], 202);
            assert_eq!(body["request_hash"], entry.hash.as_str());
            assert_eq!(body["enqueued_at"], "1970-01-01T00:00:00.000000Z");
        }
    }
}
