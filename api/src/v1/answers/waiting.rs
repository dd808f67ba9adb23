//! The answer 202: a build that waits or runs.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{iso, json, respond};
use crate::{cluster::Entry, error::ApiError};

/// A build that waits or runs.
#[derive(Serialize, ToSchema)]
pub struct Waiting {
    /// 202.
    status: u16,
    /// `queued` or `started`.
    detail: &'static str,
    /// Builds before it, while it is queued. Absent afterwards: LuCI would show a position in the queue
    /// during the build.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<usize>,
    /// Stage, once it is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    imagebuilder_status: Option<&'static str>,
    /// When it was asked for.
    enqueued_at: String,
    /// Names the request from now on.
    request_hash: String,
}

impl Waiting {
    fn of(entry: &Entry, position: Option<usize>) -> Self {
        Self {
            status: 202,
            detail: if position.is_some() { "queued" } else { "started" },
            queue_position: position,
            imagebuilder_status: position.is_none().then(|| entry.stage.as_str()),
            enqueued_at: iso(entry.created),
            request_hash: entry.hash.to_string(),
        }
    }
}

/// Makes the answer for a build that is not finished. It contains a position while the build waits, and
/// none after admission.
///
/// # Errors
/// When it cannot be serialized.
pub fn waiting(entry: &Entry, position: Option<usize>) -> Result<Response, ApiError> {
    let stage = if position.is_some() { "queued" } else { entry.stage.as_str() };
    let body = json(&Waiting::of(entry, position))?;
    Ok(respond(StatusCode::ACCEPTED, stage, position.unwrap_or(0), body))
}

#[cfg(test)]
mod tests {
    use asu_core::stage::Stage;

    use super::*;
    use crate::cluster::entry::tests::entry;

    #[test]
    fn only_a_queued_build_has_a_position_and_only_a_started_one_a_stage() {
        let queued = entry("a", 0);
        let started = Entry { stage: Stage::BuildingImage, admitted: true, ..entry("a", 0) };
        let queued_body = serde_json::to_value(Waiting::of(&queued, Some(3))).unwrap();
        let started_body = serde_json::to_value(Waiting::of(&started, None)).unwrap();
        assert_eq!(started_body.get("queue_position"), None);
        assert_eq!(started_body["imagebuilder_status"], "building_image");
        assert_eq!(queued_body["queue_position"], 3);
        assert_eq!(queued_body.get("imagebuilder_status"), None);
        for body in [started_body, queued_body] {
            assert_eq!(body["status"], 202);
            assert_eq!(body["request_hash"], queued.hash.to_string());
            assert_eq!(body["enqueued_at"], "1970-01-01T00:00:00.000000Z");
        }
    }
}
