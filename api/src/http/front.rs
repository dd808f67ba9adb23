//! What is the same for every route: clean paths, CORS, JSON errors, bounds of time and number.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, header};
use tokio::{
    sync::{Semaphore, TryAcquireError},
    time::Instant,
};
use tower::ServiceExt as _;

use super::{path, router};
use crate::{
    error::{ApiError, error_response},
    metrics::Route,
    state::AppState,
};

/// Longest time to the head of an answer: a client waits 15 s (auc). The bytes of a file may take
/// as long as they need.
const ANSWER_WITHIN: Duration = Duration::from_secs(14);
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// See the module. Clones are cheap.
#[derive(Clone)]
pub struct Front {
    state: AppState,
    router: Router,
    places: Arc<Semaphore>,
}

impl Front {
    /// Over every route.
    pub fn new(state: AppState) -> Self {
        let places = Arc::new(Semaphore::new(state.settings.max_requests));
        Self { router: router::router(state.clone()), state, places }
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
            self.bounded(request).await
        };
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        self.state.metrics.answered(route, response.status(), start.elapsed());
        response
    }

    async fn bounded(&self, request: Request<Body>) -> Response {
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                self.state.metrics.shed.inc();
                return error_response(503, None, "too many requests at a time, try again later");
            }
        };
        self.state.metrics.in_flight.inc();
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.router.clone().oneshot(request));
        let outcome = AssertUnwindSafe(answer).catch_unwind().await;
        self.state.metrics.in_flight.dec();
        match outcome {
            Ok(Ok(Ok(response))) => in_json(response),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => error_response(503, None, "no answer in time, try again later"),
            Err(_) => {
                self.state.metrics.panics.inc();
                tracing::error!("a handler panicked");
                ApiError::Internal.into_response()
            }
        }
    }
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
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
