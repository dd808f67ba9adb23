//! Serves `/livez`, `/readyz` and `/metrics` on a separate port that the Ingress does not expose.
//! Started by `run.rs`.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};

use crate::{metrics::Readings, state::AppState};

/// The routes.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured))
        .with_state(state)
}

/// Fails when a background task has ended, so that Kubernetes restarts the container.
async fn live(State(state): State<AppState>) -> Response {
    match state.followers.ended() {
        None => "ok".into_response(),
        Some(what) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{what} has ended")).into_response()
        }
    }
}

/// Succeeds once everything that answers depend on was available. It then succeeds until the process
/// ends.
async fn ready(State(state): State<AppState>) -> Response {
    let missing = state.not_ready();
    if missing.is_empty() {
        return "ok".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}", missing.join(", "))).into_response()
}

async fn measured(State(state): State<AppState>) -> Response {
    let content = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let readings = Readings {
        catalog_revision: state.catalog.revision().unwrap_or(0),
        watch_silence: state.cluster.watch.silent_seconds().unwrap_or(-1),
        builds: state.cluster.watch.len(),
        waiting: state.cluster.watch.waiting(),
        answer_bytes: state.answers.bytes(),
    };
    ([(header::CONTENT_TYPE, content)], state.metrics.text(readings)).into_response()
}
