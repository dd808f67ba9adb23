//! The layers that all routes share: CORS, JSON errors, limits of time and number, metrics, and the
//! access log.
//!
//! [`super::router`] combines them. Handlers must not depend on them.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    BoxError,
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::Semaphore, time::Instant};
use tower_http::cors::{Any as Anything, CorsLayer};
use tracing::Instrument as _;

use super::{body, request_id};
use crate::{
    error::{ApiError, Overloaded, error_response},
    metrics::{Metrics, RequestLabels},
};

/// Maximum time to the headers of an answer, because a client (auc) waits 15 s. The body of a file may
/// take longer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(14);
/// Time for which browsers may cache a preflight. Chromium uses at most two hours. Without it, each poll
/// is two requests.
const PREFLIGHT: Duration = Duration::from_hours(24);
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Any web page may read any answer, because answers do not depend on the client.
pub fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Anything)
        .allow_headers(Anything)
        .max_age(PREFLIGHT)
        // Answers do not depend on the origin, so caches may share them.
        .vary([])
}

/// Answers a preflight request with 204 (RFC 9110 §15.3.5); the library sends 200. `Allow` and
/// `Access-Control-Allow-Methods` get the same value.
pub async fn preflight_without_content(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if preflight {
        *response.status_mut() = StatusCode::NO_CONTENT;
        for name in [header::ALLOW, header::ACCESS_CONTROL_ALLOW_METHODS] {
            response.headers_mut().insert(name, HeaderValue::from_static(METHODS));
        }
    }
    response
}

/// The answer of a request that took longer than [`ANSWER_WITHIN`].
pub async fn too_late(_: BoxError) -> Response {
    error_response(503, None, "no answer in time, try again later")
}

/// The answer of a request whose handler panicked.
pub fn panicked(metrics: Metrics) -> impl Fn(Box<dyn Any + Send>) -> Response + Clone {
    move |_| {
        metrics.panics.inc();
        tracing::error!("a handler panicked");
        ApiError::Internal.into_response()
    }
}

/// Limits the number of requests in progress, until the headers of their answers. Further requests are
/// refused at once.
pub async fn bound(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let _place = places.try_acquire_owned().map_err(|_| ApiError::Busy)?;
    Ok(next.run(request).await)
}

/// Reads a whole body before the request takes a permit, so that slow clients do not use permits.
/// `bodies` limits the bytes of all bodies.
pub async fn read_body(
    State(bodies): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let body::Held { bytes, share } = body::read(body, &bodies).await?;
    let response = next.run(Request::from_parts(head, Body::from(bytes))).await;
    drop(share);
    Ok(response)
}

/// Converts errors that a library wrote as text to JSON.
pub async fn errors_in_json(response: Response) -> Response {
    let status = response.status();
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let detail = status.canonical_reason().unwrap_or("error");
    let mut clean = error_response(status.as_u16(), None, detail);
    if let Some(allow) = response.headers().get(header::ALLOW) {
        clean.headers_mut().insert(header::ALLOW, allow.clone());
    }
    clean
}

/// Counts a request and its answer, and writes the line of the access log. Log lines of the request
/// contain its id.
pub async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let asked = RequestLabels {
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
    };
    let id = request_id::of(&request);
    let request_id = request_id::text(id.as_ref());
    let uri = request.uri().clone();
    let span = tracing::info_span!("request", request_id);
    let working = Working::new(&metrics.in_flight);
    let response = next.run(request).instrument(span).await;
    drop(working);
    let (took, status) = (start.elapsed(), response.status());
    if response.extensions().get::<Overloaded>().is_some() {
        metrics.shed.inc();
    }
    metrics.answered(&asked, status, took);
    // Outside of spans, whose fields would be written twice.
    macro_rules! access {
        ($level:ident) => {
            tracing::$level!(
                target: "asu_api::access",
                parent: None,
                request_id,
                route = asked.route(),
                method = asked.method.as_str(),
                path = uri.path(),
                status = status.as_u16(),
                micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                "answered"
            )
        };
    }
    // Writing a line costs more than answering a poll from memory.
    if status.is_server_error() {
        access!(info);
    } else {
        access!(debug);
    }
    response
}

/// Counts a request in progress. It is dropped with the future when the client disconnects.
struct Working<'a>(&'a Gauge);

impl<'a> Working<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
