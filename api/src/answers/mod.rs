//! Bodies of answers about builds: the union of what every client reads.

mod cache;
mod failed;
mod request;
mod success;
mod waiting;

use asu_core::answer::Order;
use asu_store::model::{BuildRecord, Ending};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

pub use cache::AnswerCache;
pub use request::PLACEHOLDER;
pub use waiting::waiting;

use crate::log_text::LogEnds;

/// Header with the stage of a build.
pub const STATUS_HEADER: HeaderName = HeaderName::from_static("x-imagebuilder-status");
/// Header with the place in the queue.
pub const POSITION_HEADER: HeaderName = HeaderName::from_static("x-queue-position");

/// A finished answer: sent as it is to everybody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// Value of [`STATUS_HEADER`].
    pub stage: &'static str,
    /// uid of the build that it is about.
    pub uid: String,
    /// Of a failure that another order of the packages may not meet: the order that failed.
    pub order: Option<Order>,
    /// JSON.
    pub body: Bytes,
}

impl FinishedAnswer {
    /// Whether it is an image.
    pub fn is_success(&self) -> bool {
        self.status == StatusCode::OK
    }

    /// The answer.
    pub fn response(&self) -> Response {
        respond(self.status, self.stage, "0", self.body.clone())
    }
}

/// The answer of an archived build.
pub async fn stored(logs: &LogEnds, record: &BuildRecord) -> FinishedAnswer {
    let uid = record.facts.uid.clone();
    match &record.facts.ending {
        Ending::Succeeded(built) => FinishedAnswer {
            status: StatusCode::OK,
            stage: "done",
            uid,
            order: None,
            body: bytes(&success::body(&record.facts, built)),
        },
        Ending::Failed(failure) => FinishedAnswer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            stage: "failed",
            uid,
            order: Order::failed(failure.reason, &record.facts.request),
            body: bytes(&failed::body(logs, record, failure).await),
        },
    }
}

fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

fn respond(status: StatusCode, stage: &'static str, position: &str, body: Bytes) -> Response {
    let mut response = Body::from(body).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(STATUS_HEADER, HeaderValue::from_static(stage));
    let position = HeaderValue::from_str(position).unwrap_or(HeaderValue::from_static("0"));
    headers.insert(POSITION_HEADER, position);
    response
}
