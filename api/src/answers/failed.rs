//! 500: a stored failure, with the ends of what its build printed.

use asu_core::failure::Failure;
use asu_store::model::BuildRecord;
use serde_json::{Value, json};

use super::{request::request, success::iso};
use crate::log_text::LogEnds;

/// Most bytes of each stream that an answer carries: enough for what make prints about an error.
const STREAM: usize = 32 * 1024;

pub(super) async fn body(logs: &LogEnds, record: &BuildRecord, failure: &Failure) -> Value {
    // Without its log a failure still says what it was.
    let ends = match logs.of(record, STREAM).await {
        Ok(ends) => ends,
        Err(error) => {
            tracing::warn!(uid = record.facts.uid, %error, "a failure is answered without its log");
            <(String, String)>::default()
        }
    };
    render(record, failure, &ends)
}

fn render(record: &BuildRecord, failure: &Failure, (stdout, stderr): &(String, String)) -> Value {
    let facts = &record.facts;
    json!({
        "status": 500,
        "detail": format!("Error: {}", failure.detail),
        "reason": failure.reason,
        "imagebuilder_status": "failed",
        "request_hash": facts.request_hash,
        "enqueued_at": iso(facts.times.created),
        "request": request(&facts.request),
        "stdout": stdout,
        "stderr": stderr,
    })
}
