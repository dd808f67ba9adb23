//! `GET|HEAD /store/{bin_dir}/{file}`: a file of a finished build.

use std::{ops::Range, time::SystemTime};

use asu_artifacts::ArtifactError;
use asu_core::{build_key::BuildKey, result::is_plain_file_name};
use asu_store::model::{ArtifactRecord, CounterKind};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use headers::{ContentLength, ContentRange, ETag, HeaderMapExt as _, LastModified};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;

use super::range::{RangeRequest, wanted};
use crate::{
    catalog::{entity_tag, is_known},
    error::{ApiError, Error, error_response},
    http::clients::{Peer, Sent},
    state::AppState,
};

const NOT_FOUND: ApiError = ApiError::NotFound("Not found");
/// Maximum lifetime in caches: one year.
const MAX_AGE: i64 = 31_536_000;
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
        (status = 404, description = "No such file", body = Error<'_>),
        (status = 416, description = "The file has no such bytes", body = Error<'_>),
        (status = 503, description = "A dependency is away or too many files are being sent, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn file_get(
    State(state): State<AppState>,
    Path((bin_dir, file)): Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let build_key: BuildKey = bin_dir.parse().map_err(|_| NOT_FOUND)?;
    serve(&state, &build_key, &file, peer.map(|Extension(peer)| peer), &method, &headers).await
}

/// Answers with a file of a build key.
///
/// # Errors
/// If there is no such file, if a dependency is unavailable, or if too many files are being sent.
pub async fn serve(
    state: &AppState,
    build_key: &BuildKey,
    file: &str,
    peer: Option<Peer>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    if !is_plain_file_name(file) {
        return Err(NOT_FOUND);
    }
    let row = state.database.artifact(build_key, file).await?.ok_or(NOT_FOUND)?;
    let facts = Facts::of(&row, state.now())?;
    if is_known(headers, &facts.etag) {
        return Ok(facts.described(StatusCode::NOT_MODIFIED.into_response()));
    }
    if *method == Method::HEAD {
        return Ok(facts.with_length(Response::new(Body::empty()), row.size));
    }
    match wanted(headers, row.size, &facts.etag, facts.modified) {
        RangeRequest::Unsatisfiable => Ok(unsatisfiable(row.size)),
        RangeRequest::Whole => {
            let sent = state.send_to(peer, headers)?;
            let body = open(state, &row, 0..row.size, sent).await?;
            state.counters.add(CounterKind::Served, Some(&row.request_hash), state.now());
            Ok(facts.with_length(Response::new(body), row.size))
        }
        RangeRequest::Part(part) => {
            let length = part.end.saturating_sub(part.start);
            let range =
                ContentRange::bytes(part.clone(), row.size).map_err(|_| ApiError::Internal)?;
            let sent = state.send_to(peer, headers)?;
            let mut response = Response::new(open(state, &row, part, sent).await?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            state.counters.add(CounterKind::Served, Some(&row.request_hash), state.now());
            response.headers_mut().typed_insert(range);
            Ok(facts.with_length(response, length))
        }
    }
}

async fn open(
    state: &AppState,
    row: &ArtifactRecord,
    part: Range<u64>,
    sent: Sent,
) -> Result<Body, ApiError> {
    // Both are held until the client has received the last byte.
    let place = state.downloads.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let place = (place, sent);
    match state.artifacts.read_range(&row.object_key, part).await {
        Ok(bytes) => Ok(Body::from_stream(bytes.inspect(move |_| {
            let _held = &place;
        }))),
        Err(ArtifactError::NotFound(key)) => {
            tracing::error!(key, "a file is recorded in the database but missing in the store");
            Err(NOT_FOUND)
        }
        Err(error) => Err(error.into()),
    }
}

fn unsatisfiable(size: u64) -> Response {
    let mut response = error_response(416, None, "the file has no such bytes");
    response.headers_mut().typed_insert(ContentRange::unsatisfied_bytes(size));
    response
}

/// The files of a build key do not change while they are kept. Afterwards a new build may store others
/// under the same key, so caches must not keep a file for longer than the store does.
fn public(keep_until: Timestamp, now: Timestamp) -> String {
    let left = keep_until.duration_since(now).as_secs().clamp(0, MAX_AGE);
    format!("public, max-age={left}, immutable")
}

/// Values for the headers of a file.
struct Facts {
    etag: ETag,
    modified: LastModified,
    disposition: String,
    cache: String,
}

impl Facts {
    fn of(row: &ArtifactRecord, now: Timestamp) -> Result<Self, ApiError> {
        Ok(Self {
            etag: entity_tag(&row.sha256.to_string())?,
            modified: LastModified::from(SystemTime::from(row.finished_at)),
            disposition: format!("attachment; filename=\"{}\"", row.name),
            cache: if row.private { PRIVATE.to_owned() } else { public(row.keep_until, now) },
        })
    }

    /// Adds the headers that all answers about the file have.
    fn described(&self, mut response: Response) -> Response {
        response.headers_mut().typed_insert(self.etag.clone());
        response.headers_mut().typed_insert(self.modified);
        set(&mut response, header::CACHE_CONTROL, &self.cache);
        response
    }

    fn with_length(&self, response: Response, length: u64) -> Response {
        let mut response = self.described(response);
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, header::CONTENT_DISPOSITION, &self.disposition);
        set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        response.headers_mut().typed_insert(ContentLength(length));
        response
    }
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn caches_keep_a_file_no_longer_than_the_store() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |hours| public(now + SignedDuration::from_hours(hours), now);
        assert_eq!(after(2), "public, max-age=7200, immutable");
        assert_eq!(after(24 * 9999), "public, max-age=31536000, immutable");
        assert_eq!(after(-1), "public, max-age=0, immutable");
    }
}
