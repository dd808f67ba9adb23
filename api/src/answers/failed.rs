//! 500: a stored failure, with the end of its log.

use asu_core::failure::Failure;
use asu_store::model::BuildRecord;
use serde_json::{Value, json};

use super::{request::request, success::iso};
use crate::{log_text, state::AppState};

/// Bytes of the log's end that an answer carries: enough for what make prints about an error.
const TAIL: usize = 32 * 1024;

pub(super) async fn body(state: &AppState, record: &BuildRecord, failure: &Failure) -> Value {
    // Without its log a failure still says what it was.
    let tail = match log_text::tail(state, record, TAIL).await {
        Ok(tail) => tail,
        Err(error) => {
            tracing::warn!(uid = record.facts.uid, %error, "a failure is answered without its log");
            String::new()
        }
    };
    render(record, failure, &tail)
}

fn render(record: &BuildRecord, failure: &Failure, tail: &str) -> Value {
    let facts = &record.facts;
    json!({
        "status": 500,
        "detail": format!("Error: {}", failure.detail),
        "reason": failure.reason,
        "imagebuilder_status": "failed",
        "request_hash": facts.request_hash,
        "enqueued_at": iso(facts.times.created),
        "request": request(&facts.request),
        "stdout": tail,
        "stderr": "",
    })
}
