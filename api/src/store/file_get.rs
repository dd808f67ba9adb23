//! `GET|HEAD /store/{bin_dir}/{file}`: a file of a finished build.

use std::ops::Range;

use asu_core::{digest::Sha256Hex, result::is_plain_file_name};
use asu_store::{
    BuildRepository as _,
    artifacts::ArtifactError,
    model::{ArtifactRecord, CounterKind},
};
use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::fmt::rfc2822;

use super::range::{Wanted, wanted};
use crate::{
    catalog::etag_matches,
    error::{ApiError, error_response},
    openapi,
    state::AppState,
};

const NOT_FOUND: ApiError = ApiError::NotFound("Not found");
/// Below one build key a name has the same bytes for ever.
const PUBLIC: &str = "public, max-age=31536000, immutable";
const PRIVATE: &str = "private, no-store";

/// A file of a finished build
#[utoipa::path(
    method(get, head),
    path = "/store/{bin_dir}/{file}",
    tag = "store",
    params(
        ("bin_dir" = String, Path, description = "`bin_dir` of the answer"),
        ("file" = String, Path, description = "`name` of one of its `images`"),
    ),
    responses(
        (status = 200, description = "The file", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The bytes of `Range`", body = [u8], content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names this file"),
        (status = 404, description = "No such file", body = openapi::Error),
        (status = 416, description = "The file has no such bytes", body = openapi::Error),
        (status = 503, description = "A dependency is away or too many files are being sent, see `Retry-After`", body = openapi::Error),
    )
)]
pub async fn file_get(
    State(state): State<AppState>,
    Path((bin_dir, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let build_key: Sha256Hex = bin_dir.parse().map_err(|_| NOT_FOUND)?;
    if !is_plain_file_name(&file) {
        return Err(NOT_FOUND);
    }
    let row = state.database.artifact(&build_key, &file).await?.ok_or(NOT_FOUND)?;
    let facts = Facts::of(&row);
    if etag_matches(&headers, &facts.etag) {
        return Ok(facts.dress(StatusCode::NOT_MODIFIED.into_response()));
    }
    if method == Method::HEAD {
        return Ok(facts.with_length(Response::new(Body::empty()), row.size));
    }
    match wanted(&headers, row.size, &facts.etag, &facts.modified) {
        Wanted::Unsatisfiable => Ok(unsatisfiable(row.size)),
        Wanted::Whole => {
            let body = open(&state, &row, 0..row.size).await?;
            state.counters.add(CounterKind::Served, Some(&row.request_hash), state.now());
            Ok(facts.with_length(Response::new(body), row.size))
        }
        Wanted::Part(part) => {
            let length = part.end.saturating_sub(part.start);
            let told = format!("bytes {}-{}/{}", part.start, part.end.saturating_sub(1), row.size);
            let mut response = Response::new(open(&state, &row, part).await?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            state.counters.add(CounterKind::Served, Some(&row.request_hash), state.now());
            set(&mut response, header::CONTENT_RANGE, &told);
            Ok(facts.with_length(response, length))
        }
    }
}

async fn open(state: &AppState, row: &ArtifactRecord, part: Range<u64>) -> Result<Body, ApiError> {
    // Held until the last byte was taken: how fast that goes is up to the client.
    let place = state.downloads.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
    match state.artifacts.read_range(&row.object_key, part).await {
        Ok(bytes) => Ok(Body::from_stream(bytes.inspect(move |_| {
            let _held = &place;
        }))),
        Err(ArtifactError::NotFound(key)) => {
            tracing::error!(key, "a file that the database knows is not in the store");
            Err(NOT_FOUND)
        }
        Err(error) => Err(error.into()),
    }
}

fn unsatisfiable(size: u64) -> Response {
    let mut response = error_response(416, None, "the file has no such bytes");
    set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// What the headers of a file say.
struct Facts {
    etag: String,
    modified: String,
    disposition: String,
    cache: &'static str,
}

impl Facts {
    fn of(row: &ArtifactRecord) -> Self {
        Self {
            etag: format!("\"{}\"", row.sha256),
            modified: rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&row.finished_at)
                .unwrap_or_default(),
            disposition: format!("attachment; filename=\"{}\"", row.name),
            cache: if row.private { PRIVATE } else { PUBLIC },
        }
    }

    fn dress(&self, mut response: Response) -> Response {
        set(&mut response, header::ETAG, &self.etag);
        set(&mut response, header::LAST_MODIFIED, &self.modified);
        set(&mut response, header::CACHE_CONTROL, self.cache);
        response
    }

    fn with_length(&self, response: Response, length: u64) -> Response {
        let mut response = self.dress(response);
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, header::CONTENT_DISPOSITION, &self.disposition);
        set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
