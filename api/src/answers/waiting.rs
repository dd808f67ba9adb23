//! 202: a build on its way.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::{respond, success::iso};
use crate::{
    cluster::{Cluster, Entry},
    error::ApiError,
};

/// The answer of a build that is not finished, of which at most `max_pending` and one may wait.
///
/// # Errors
/// [`ApiError::Overload`] of one that came when too many waited, by whichever replica.
pub fn waiting(
    cluster: &Cluster,
    max_pending: usize,
    entry: &Entry,
    now: Timestamp,
) -> Result<Response, ApiError> {
    if entry.admitted {
        let word = entry.stage.as_str();
        return Ok(respond(StatusCode::ACCEPTED, word, "0", body(&Started::of(entry))?));
    }
    if let Some(earlier) = cluster.watch.beyond(entry, max_pending) {
        return Err(ApiError::Overload(earlier));
    }
    let position = cluster.watch.place(entry, now);
    let body = body(&Queued::of(entry, position))?;
    Ok(respond(StatusCode::ACCEPTED, "queued", &position.to_string(), body))
}

fn body(answer: &impl Serialize) -> Result<Bytes, ApiError> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(|_| ApiError::Internal)
}

/// Never with `queue_position`: LuCI would show a place in the queue during the build.
#[derive(Serialize)]
struct Started<'a> {
    status: u16,
    detail: &'static str,
    imagebuilder_status: &'static str,
    enqueued_at: String,
    request_hash: &'a str,
}

impl<'a> Started<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            status: 202,
            detail: "started",
            imagebuilder_status: entry.stage.as_str(),
            enqueued_at: iso(entry.created),
            request_hash: entry.hash.as_str(),
        }
    }
}

#[derive(Serialize)]
struct Queued<'a> {
    status: u16,
    detail: &'static str,
    queue_position: usize,
    enqueued_at: String,
    request_hash: &'a str,
}

impl<'a> Queued<'a> {
    fn of(entry: &'a Entry, position: usize) -> Self {
        Self {
            status: 202,
            detail: "queued",
            queue_position: position,
            enqueued_at: iso(entry.created),
            request_hash: entry.hash.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use asu_core::stage::Stage;

    use super::*;
    use crate::cluster::entry::tests::entry;

    #[test]
    fn only_a_queued_build_has_a_place_and_only_a_started_one_a_stage() {
        let entry = Entry { stage: Stage::BuildingImage, admitted: true, ..entry("a", 0) };
        let started = serde_json::to_value(Started::of(&entry)).unwrap();
        let queued = serde_json::to_value(Queued::of(&entry, 3)).unwrap();
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
