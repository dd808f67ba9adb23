//! Errors and their answers: JSON with an integer `status`, on which clients decide, and a string
//! `detail`, which they show.

use asu_artifacts::ArtifactError;
use asu_core::offered::Refusal;
use asu_store::StoreError;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::refusal;

/// `Retry-After` in seconds when a dependency is unavailable.
const RETRY_AFTER_SECONDS: u64 = 5;

/// `Retry-After` in seconds when too many builds wait.
const RETRY_OVERLOAD_SECONDS: u64 = 30;

/// An error that is answered to a client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// The path names nothing that exists.
    #[error("{0}")]
    NotFound(&'static str),
    /// No build with this request hash is known.
    #[error("could not find provided request hash")]
    UnknownHash,
    /// The body has too many bytes.
    #[error("the request body has more than {0} bytes")]
    TooLarge(usize),
    /// The body ended early or was sent too slowly.
    #[error("the request body could not be read")]
    Body,
    /// Fields are missing or malformed. The text names all of them.
    #[error("{0}")]
    Fields(String),
    /// The request is not acceptable.
    #[error("{0}")]
    Refused(String),
    /// The request is for something that is not offered, by the rules of the domain.
    #[error("{}", refusal::detail(.0))]
    NotOffered(#[from] Refusal),
    /// Too many requests are in progress.
    #[error("too many requests at a time, try again later")]
    Busy,
    /// The client has the maximum number of downloads.
    #[error("{0} files are being sent to this address already, try again later")]
    TooManyDownloads(usize),
    /// Too many builds wait.
    #[error("server overload, queue contains too many build requests: {0}")]
    Overload(usize),
    /// A dependency is unavailable. The text names it, but not its address.
    #[error("{0} is not available at the moment, try again later")]
    Away(&'static str),
    /// A fault of this system. The log contains the details.
    #[error("internal error")]
    Internal,
}

impl ApiError {
    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) | Self::UnknownHash => 404,
            Self::TooLarge(_) => 413,
            Self::Body | Self::Refused(_) => 400,
            Self::Fields(_) => 422,
            Self::NotOffered(refusal) => refusal::status(refusal),
            Self::Overload(_) => 529,
            Self::Away(_) | Self::Busy | Self::TooManyDownloads(_) => 503,
            Self::Internal => 500,
        }
    }

    fn title(&self) -> Option<&'static str> {
        match self {
            Self::UnknownHash => Some("Not Found"),
            Self::Overload(_) => Some("Server overloaded"),
            _ => None,
        }
    }
}

/// Name of the database in answers.
pub const DATABASE: &str = "the database";
/// Name of the Kubernetes API in answers.
pub const CLUSTER: &str = "the cluster";
/// Name of the catalog in answers.
pub const CATALOG: &str = "the catalog";
/// Name of the artifact store in answers.
pub const STORE: &str = "the artifact store";

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            tracing::warn!(%error, "the database is unavailable");
            return Self::Away(DATABASE);
        }
        tracing::error!(%error, "the database rejected a query");
        Self::Internal
    }
}

impl From<ArtifactError> for ApiError {
    fn from(error: ArtifactError) -> Self {
        tracing::error!(%error, "the artifact store cannot be read");
        Self::Away(STORE)
    }
}

/// Every answer that is an error, but for failed builds.
#[derive(Serialize, ToSchema)]
pub struct Error<'a> {
    /// HTTP status.
    status: u16,
    /// One sentence.
    detail: &'a str,
    /// Heading, where clients show one.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

/// Makes an error answer.
pub fn error_response(status: u16, title: Option<&str>, detail: &str) -> Response {
    let body = serde_json::to_vec(&Error { status, detail, title })
        .map_or_else(|_| Body::from(r#"{"status":500,"detail":"internal error"}"#), Body::from);
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.extensions_mut().insert(Detail(detail.to_owned()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let again = match status {
        503 => Some(RETRY_AFTER_SECONDS),
        529 => Some(RETRY_OVERLOAD_SECONDS),
        _ => None,
    };
    if let Some(seconds) = again {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Extension of an error answer: its sentence, for dialects in which errors have another form.
#[derive(Clone, Debug)]
pub struct Detail(pub String);

/// Extension of the answer to a request that was refused because too many are in progress, for the
/// metrics.
#[derive(Clone, Copy, Debug)]
pub struct Overloaded;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = error_response(self.status(), self.title(), &self.to_string());
        if matches!(self, Self::Busy) {
            response.extensions_mut().insert(Overloaded);
        }
        response
    }
}
