//! The answer 500: a stored failure, with the ends of the build's output.

use asu_core::failure::Failure;
use asu_store::model::BuildRecord;
use serde::Serialize;
use utoipa::ToSchema;

use super::{iso, request::RequestInAnswer};
use crate::log_text::LogEnds;

/// Maximum number of bytes of each stream in an answer. It is enough for an error of make.
const STREAM: usize = 32 * 1024;

/// A failed build.
#[derive(Serialize, ToSchema)]
pub struct Failed<'a> {
    /// 500.
    status: u16,
    /// One sentence.
    detail: String,
    /// Word of a closed set.
    reason: &'static str,
    /// `failed`.
    imagebuilder_status: &'static str,
    /// Names the request.
    request_hash: String,
    /// When it was asked for.
    enqueued_at: String,
    /// The request in canonical form.
    request: RequestInAnswer<'a>,
    /// End of what the build printed on standard output.
    stdout: String,
    /// End of what the build printed on standard error.
    stderr: String,
}

pub(super) async fn body<'a>(
    logs: &LogEnds,
    record: &'a BuildRecord,
    failure: &Failure,
) -> Failed<'a> {
    let facts = &record.facts;
    // Without a log, the answer still contains the reason.
    let (stdout, stderr) = match logs.of(record, STREAM).await {
        Ok(ends) => ends,
        Err(error) => {
            tracing::warn!(uid = facts.uid, %error, "a failure is answered without its log");
            <(String, String)>::default()
        }
    };
    Failed {
        status: 500,
        detail: format!("Error: {}", failure.detail),
        reason: failure.reason.as_str(),
        imagebuilder_status: "failed",
        request_hash: facts.request_hash.to_string(),
        enqueued_at: iso(facts.times.created),
        request: RequestInAnswer::from(&facts.request),
        stdout,
        stderr,
    }
}
