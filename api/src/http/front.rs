//! What is the same for every route: clean paths, CORS, JSON errors, bounds of time and number.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, header};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::Semaphore, time::Instant};
use tower::ServiceExt as _;

use super::{path, router};
use crate::{
    error::{ApiError, error_response},
    metrics::Route,
    state::AppState,
    v1::body,
};

/// Longest time to the head of an answer: a client waits 15 s (auc). The bytes of a file may take
/// as long as they need.
const ANSWER_WITHIN: Duration = Duration::from_secs(14);
/// Seconds for which a browser need not ask again whether it may ask: a day, of which Chromium takes
/// two hours. Without it each poll is two requests.
const PREFLIGHT_SECONDS: &str = "86400";
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// See the module. Clones are cheap.
#[derive(Clone)]
pub struct Front {
    state: AppState,
    router: Router,
    places: Arc<Semaphore>,
    answer_within: Duration,
}

impl Front {
    /// Over every route.
    pub fn new(state: AppState) -> Self {
        Self::over(router::router(state.clone()), state, ANSWER_WITHIN)
    }

    fn over(router: Router, state: AppState, answer_within: Duration) -> Self {
        let places = Arc::new(Semaphore::new(state.settings.max_requests));
        Self { state, router, places, answer_within }
    }

    /// Bytes a second that clients must take of their answers at least.
    pub fn min_download_rate(&self) -> u64 {
        self.state.settings.min_download_rate
    }

    #[cfg(test)]
    pub(super) fn working(&self) -> &Gauge {
        &self.state.metrics.in_flight
    }

    /// Answers one request, whatever happens.
    pub async fn answer(&self, mut request: Request<Body>) -> Response {
        let start = Instant::now();
        if let Some(clean) = path::normalised(request.uri()) {
            *request.uri_mut() = clean;
        }
        let post = request.method() == Method::POST;
        let route = Route::of(request.uri().path(), post);
        let mut response = if request.method() == Method::OPTIONS {
            preflight()
        } else {
            self.bounded(request, route).await
        };
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        self.state.metrics.answered(route, response.status(), start.elapsed());
        response
    }

    async fn bounded(&self, request: Request<Body>, route: Route) -> Response {
        let _working = Working::new(&self.state.metrics.in_flight);
        let answer = tokio::time::timeout(self.answer_within, self.handled(request, route));
        match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(Ok(Ok(response))) => in_json(response),
            Ok(Ok(Err(error))) => error.into_response(),
            Ok(Err(_)) => error_response(503, None, "no answer in time, try again later"),
            Err(_) => {
                self.state.metrics.panics.inc();
                tracing::error!("a handler panicked");
                ApiError::Internal.into_response()
            }
        }
    }

    /// A body is read before a place is taken: clients that send slowly must not take the places of
    /// those that ask how far their build is, and give up when they are refused.
    async fn handled(&self, request: Request<Body>, route: Route) -> Result<Response, ApiError> {
        let (request, _share) = match route {
            Route::BuildPost => {
                let (head, body) = request.into_parts();
                let read = body::read(body, &self.state.bodies).await.inspect_err(|error| {
                    if matches!(error, ApiError::Busy) {
                        self.state.metrics.shed.inc();
                    }
                })?;
                (Request::from_parts(head, Body::from(read.bytes)), read.share)
            }
            _ => (request, None),
        };
        // Until the head of the answer.
        let Ok(_place) = self.places.clone().try_acquire_owned() else {
            self.state.metrics.shed.inc();
            return Err(ApiError::Busy);
        };
        match self.router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

/// Counts a request for as long as it is worked on, however that ends: a client that hangs up takes
/// the future with it.
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

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    response
}

/// An error that a library wrote as text becomes JSON, like every other.
fn in_json(response: Response) -> Response {
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

#[cfg(test)]
#[path = "front_tests.rs"]
pub(super) mod tests;
