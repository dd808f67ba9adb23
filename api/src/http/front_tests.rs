use asu_store::{PgStore, PoolSettings, artifacts::ArtifactStore};
use axum::routing::{get, post};
use clap::Parser as _;
use futures::stream;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::*;
use crate::{cluster::Cluster, config::Settings};

const LONG: Duration = Duration::from_mins(1);

/// Of a process whose dependencies are all away.
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

/// In front of these routes.
pub(in crate::http) fn front(router: Router, max_requests: usize, within: Duration) -> Front {
    Front::over(router, state(max_requests), within)
}

/// A route that answers and one that never does.
pub(in crate::http) fn routes() -> Router {
    Router::new()
        .route("/quick", get(async || "quick"))
        .route("/never", get(std::future::pending::<()>))
        .route("/api/v1/build", post(async |body: String| body))
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
async fn a_panic_is_one_answer_in_json_and_no_more() {
    let broken = Router::new().route("/", get(async || -> &'static str { panic!("no") }));
    let front = front(broken, 8, LONG);
    assert_eq!(is_error(front.answer(look("/")).await, 500).await, "internal error");
    assert_eq!(front.state.metrics.panics.get(), 1);
    assert_eq!(front.state.metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_clients_wait_is_503() {
    let front = front(routes(), 8, Duration::from_millis(20));
    let late = is_error(front.answer(look("/never")).await, 503).await;
    assert_eq!(late, "no answer in time, try again later");
    let stalled = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
    let late = front.answer(ask(Method::POST, "/api/v1/build", stalled)).await;
    is_error(late, 503).await;
}

#[tokio::test]
async fn more_requests_than_there_are_places_for_are_told_to_come_back() {
    let front = front(routes(), 1, LONG);
    let mut working = Box::pin(front.answer(look("/never")));
    assert!(futures::poll!(&mut working).is_pending());
    let shed = is_error(front.answer(look("/quick")).await, 503).await;
    assert_eq!(shed, "too many requests at a time, try again later");
    assert_eq!(front.state.metrics.shed.get(), 1);
    drop(working);
    assert_eq!(front.answer(look("/quick")).await.status(), 200);
}

#[tokio::test]
async fn requests_whose_bodies_trickle_in_take_no_place_from_others() {
    let front = front(routes(), 1, LONG);
    let half = || {
        let begun = stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = Body::from_stream(futures::StreamExt::chain(begun, stream::pending()));
        Box::pin(front.answer(ask(Method::POST, "/api/v1/build", body)))
    };
    let mut trickling = [half(), half(), half()];
    for request in &mut trickling {
        assert!(futures::poll!(request).is_pending());
    }
    assert_eq!(front.state.metrics.in_flight.get(), 3);
    assert_eq!(front.answer(look("/quick")).await.status(), 200);
    let preflight = front.answer(ask(Method::OPTIONS, "/api/v1/build", Body::empty())).await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()[header::ACCESS_CONTROL_MAX_AGE], "86400");
    let whole = front.answer(ask(Method::POST, "/api/v1/build", Body::from("{}"))).await;
    assert_eq!(whole.status(), 200);
}
