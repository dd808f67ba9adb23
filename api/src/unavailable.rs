//! `asu-api unavailable`: answers in place of the API while the ingress controller finds no pod of it. Browsers
//! hide an answer without CORS headers from web pages, and clients stop at a page that is not JSON.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Parser;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// What clients show.
const DETAIL: &str = "the server is not available at the moment, try again in five minutes";
/// Time after which a client should try again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("300");
/// Status of the answer that is replaced, as ingress-nginx sends it.
const CODE: HeaderName = HeaderName::from_static("x-code");

/// Answers for the API while no pod of it can: for error pages of an ingress controller.
#[derive(Parser, Clone, Debug)]
#[command(name = "asu-api unavailable", version)]
pub struct UnavailableSettings {
    /// Address and port to listen on.
    #[arg(long, env = "ASU_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
}

/// The answer, in the form of both APIs.
#[derive(Serialize)]
struct Unavailable {
    status: u16,
    detail: &'static str,
    error: &'static str,
}

/// Answers until SIGTERM.
///
/// # Errors
/// When the address is in use.
pub async fn run(settings: &UnavailableSettings) -> io::Result<()> {
    let mut ended = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(settings.listen).await?;
    let stop = async move {
        ended.recv().await;
    };
    axum::serve(listener, router()).with_graceful_shutdown(stop).await
}

fn router() -> Router {
    Router::new().route("/livez", get(async || "ok")).fallback(unavailable)
}

/// The status is in the header that ingress-nginx sends, or in the path that Traefik asks for.
async fn unavailable(request: Request) -> Response {
    let header = request.headers().get(CODE).and_then(|code| code.to_str().ok());
    let code = header.unwrap_or_else(|| request.uri().path().trim_start_matches('/'));
    let status = match code {
        "502" => StatusCode::BAD_GATEWAY,
        "504" => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = Unavailable { status: status.as_u16(), detail: DETAIL, error: DETAIL };
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::RETRY_AFTER, RETRY_AFTER),
    ];
    (status, headers, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn every_request_gets_the_status_of_the_ingress_in_json_for_web_pages() {
        for (path, code, status) in [
            ("/502", None, 502),
            ("/503", None, 503),
            ("/504", None, 504),
            ("/api/v1/build", Some("502"), 502),
            ("/api/v1/build", None, 503),
            ("/", Some("200"), 503),
        ] {
            let mut request = Request::builder().uri(path).method("POST");
            if let Some(code) = code {
                request = request.header("x-code", code);
            }
            let answer = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), status, "{path} {code:?}");
            assert_eq!(answer.headers()["access-control-allow-origin"], "*");
            assert_eq!(answer.headers()["retry-after"], "300");
            let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["status"], status);
            assert_eq!(body["detail"], body["error"]);
        }
    }
}
