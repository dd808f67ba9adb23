use asu_artifacts::ArtifactStore;
use asu_store::{PgStore, PoolSettings};
use axum::{body::Body, routing::get};
use clap::Parser as _;
use futures::stream;
use http::{Method, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use tower::ServiceExt as _;

use super::*;
use crate::{cluster::Cluster, config::Settings};

const LONG: Duration = Duration::from_mins(1);

/// The state of a process whose dependencies are all unavailable.
fn state(max_requests: usize) -> AppState {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = Settings::parse_from([
        "asu-api".to_owned(),
        "--namespace=none".to_owned(),
        format!("--max-requests={max_requests}"),
    ]);
    let url = "postgres://nobody@127.0.0.1:1/none";
    let database = PgStore::connect(url, &PoolSettings::default(), "test").unwrap();
    let store = ArtifactStore::open(concat!("file://", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let client = kube::Client::try_from(nowhere).unwrap();
    AppState::new(settings, database, store, Cluster::new(client, "none"))
}

/// These routes within what is around all, with the process's metrics. The bounds are those of a
/// process that works on `max_requests` requests.
pub(in crate::http) fn around(
    routes: Router<AppState>,
    max_requests: usize,
    answer_within: Duration,
) -> (Router, Metrics) {
    let state = state(max_requests);
    let groups = Groups {
        with_body: OpenApiRouter::new()
            .route("/api/v1/build", axum::routing::post(async |body: String| body)),
        without_body: OpenApiRouter::from(routes),
    };
    let routes = bounded(groups, &state).with_state(state.clone());
    (surrounded(routes, &state.metrics, answer_within), state.metrics.clone())
}

/// A route that answers and one that never does.
pub(in crate::http) fn routes() -> Router<AppState> {
    Router::new()
        .route("/quick", get(async || "quick"))
        .route("/never", get(std::future::pending::<()>))
}

async fn answer(router: &Router, request: Request<Body>) -> Response {
    router.clone().oneshot(request).await.unwrap()
}

fn ask(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body).unwrap()
}

fn look(path: &str) -> Request<Body> {
    ask(Method::GET, path, Body::empty())
}

async fn is_error(response: Response, status: u16) -> String {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == 503);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["status"], status);
    body["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_panic_is_answered_in_json_and_counted_once() {
    let broken = Router::new().route("/", get(async || -> &'static str { panic!("no") }));
    let (router, metrics) = around(broken, 8, LONG);
    assert_eq!(is_error(answer(&router, look("/")).await, 500).await, "internal error");
    assert_eq!(metrics.panics.get(), 1);
    assert_eq!(metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn an_answer_beyond_the_time_limit_is_503() {
    let (router, _) = around(routes(), 8, Duration::from_millis(20));
    let late = is_error(answer(&router, look("/never")).await, 503).await;
    assert_eq!(late, "no answer in time, try again later");
    let stalled = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
    let late = answer(&router, ask(Method::POST, "/api/v1/build", stalled)).await;
    is_error(late, 503).await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_503() {
    let (router, metrics) = around(routes(), 1, LONG);
    let mut working = Box::pin(answer(&router, look("/never")));
    assert!(futures::poll!(&mut working).is_pending());
    let shed = is_error(answer(&router, look("/quick")).await, 503).await;
    assert_eq!(shed, "too many requests at a time, try again later");
    assert_eq!(metrics.shed.get(), 1);
    drop(working);
    assert_eq!(answer(&router, look("/quick")).await.status(), 200);
}

#[tokio::test]
async fn requests_with_slow_bodies_use_no_permit() {
    let (router, metrics) = around(routes(), 1, LONG);
    let half = || {
        let begun = stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = Body::from_stream(futures::StreamExt::chain(begun, stream::pending()));
        Box::pin(answer(&router, ask(Method::POST, "/api/v1/build", body)))
    };
    let mut trickling = [half(), half(), half()];
    for request in &mut trickling {
        assert!(futures::poll!(request).is_pending());
    }
    assert_eq!(metrics.in_flight.get(), 3);
    assert_eq!(answer(&router, look("/quick")).await.status(), 200);
    let preflight = answer(&router, ask(Method::OPTIONS, "/api/v1/build", Body::empty())).await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()[header::ACCESS_CONTROL_MAX_AGE], "86400");
    let whole = answer(&router, ask(Method::POST, "/api/v1/build", Body::from("{}"))).await;
    assert_eq!(whole.status(), 200);
}

#[test]
fn all_routes_with_a_body_are_in_the_group_with_a_body_limit() {
    let bodies = |mut routes: OpenApiRouter<AppState>| {
        let paths = routes.to_openapi().paths.paths;
        let operations = paths.into_values().flat_map(|item| {
            [item.get, item.head, item.post, item.put, item.patch, item.delete]
                .into_iter()
                .flatten()
        });
        operations.map(|operation| operation.request_body.is_some()).collect::<Vec<_>>()
    };
    assert!(bodies(with_body()).into_iter().all(|body| body));
    assert!(!bodies(without_body().merge(files())).into_iter().any(|body| body));
}

#[tokio::test]
async fn a_body_for_a_route_without_a_body_is_refused() {
    let reads = Router::new().route("/", axum::routing::post(async |body: String| body));
    let (router, _) = around(reads, 8, LONG);
    let refused = answer(&router, ask(Method::POST, "/", Body::from("x"))).await;
    assert_eq!(refused.status(), 413);
}

#[tokio::test]
async fn every_answer_has_the_request_id_of_its_log_line() {
    let (router, _) = around(routes(), 8, LONG);
    let mut request = look("/quick");
    request.headers_mut().insert("x-request-id", "from-the-proxy".parse().unwrap());
    assert_eq!(answer(&router, request).await.headers()["x-request-id"], "from-the-proxy");
    assert_eq!(answer(&router, look("/quick")).await.headers()["x-request-id"].len(), 36);
}

#[tokio::test]
async fn metrics_are_labelled_by_route_and_not_by_path() {
    let (router, metrics) = around(routes(), 8, LONG);
    for path in ["/quick", "//quick/", "/a", "/b"] {
        answer(&router, look(path)).await;
    }
    let readings = crate::metrics::Readings {
        catalog_revision: 0,
        watch_silence: 0,
        builds: 0,
        waiting: 0,
        answer_bytes: 0,
    };
    let text = metrics.text(readings);
    for line in [
        "asu_api_requests_total{method=\"GET\",route=\"/quick\",class=\"2xx\"} 2",
        "asu_api_requests_total{method=\"GET\",route=\"none\",class=\"4xx\"} 2",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn the_openapi_document_is_the_one_that_was_reviewed() {
    insta::assert_snapshot!(document().to_pretty_json().unwrap());
}
