//! Answers for builds in `/api/v1`. The types are also the schemas of the OpenAPI document.

mod failed;
mod request;
mod success;
mod waiting;

use asu_store::model::{BuildRecord, Ending};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

pub use failed::Failed;
pub use request::{PLACEHOLDER, RequestInAnswer};
pub use success::{Finished, Image};
pub use waiting::{Waiting, waiting};

use crate::{answers::FinishedAnswer, error::ApiError, iso::iso, log_text::LogEnds};

/// Header with the stage of a build.
const STATUS_HEADER: HeaderName = HeaderName::from_static("x-imagebuilder-status");
/// Header with the position in the queue.
const POSITION_HEADER: HeaderName = HeaderName::from_static("x-queue-position");

/// Renders the answer for an archived build.
///
/// # Errors
/// When it cannot be serialized.
pub async fn finished(logs: &LogEnds, record: &BuildRecord) -> Result<FinishedAnswer, ApiError> {
    Ok(match &record.facts.ending {
        Ending::Succeeded(built) => FinishedAnswer {
            status: StatusCode::OK,
            body: json(&success::body(&record.facts, built)?)?,
        },
        Ending::Failed(failure) => FinishedAnswer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            body: json(&failed::body(logs, record, failure).await)?,
        },
    })
}

/// Adds the headers to a finished answer.
pub fn finished_response(answer: &FinishedAnswer) -> Response {
    let stage = if answer.status == StatusCode::OK { "done" } else { "failed" };
    respond(answer.status, stage, 0, answer.body.clone())
}

fn json(body: &impl Serialize) -> Result<Bytes, ApiError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        ApiError::Internal
    })
}

fn respond(status: StatusCode, stage: &'static str, position: usize, body: Bytes) -> Response {
    let mut response = Body::from(body).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(STATUS_HEADER, HeaderValue::from_static(stage));
    headers.insert(POSITION_HEADER, HeaderValue::from(position));
    response
}
