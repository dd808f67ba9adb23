//! HTTP as real clients speak it.

use futures::stream;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    harness::World,
    samples::{body, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_a_preflight() {
    let (_world, api) = World::with_replica().await;
    let hash = "0".repeat(64);
    for path in [
        "/api/v1/build",
        &format!("/api/v1/build/{hash}?1700000000000"),
        &format!("/store/{hash}/x.bin"),
        "/json/v1/overview.json",
        "//api/v1/build/",
        "/no/such/route",
    ] {
        let request = api.http.request(reqwest::Method::OPTIONS, api.url(path));
        let request = request
            .header("origin", "http://192.168.1.1")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let answer = api.send(request).await;
        assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, POST, OPTIONS");
        assert_eq!(answer.header("access-control-allow-headers"), "*");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_slashes_queries_chunks_and_content_types_do_not_change_the_answer() {
    let (_world, api) = World::with_replica().await;
    let text = body().to_string();
    let hash = api.post(&body()).await.hash();
    for path in ["//api/v1/build", "/api/v1/build/", "/api//v1//build//?1700000000000"] {
        // Without a content type.
        let answer = api.send(api.http.post(api.url(path)).body(text.clone())).await;
        assert_eq!((answer.status, answer.hash()), (202, hash.clone()), "{path}");
    }
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        text.as_bytes().chunks(7).map(|piece| Ok(piece.to_vec())).collect();
    let chunked = api
        .http
        .post(api.url("/api/v1/build"))
        .header("content-type", "text/plain")
        .body(reqwest::Body::wrap_stream(stream::iter(pieces)));
    assert_eq!(api.send(chunked).await.hash(), hash);
    assert_eq!(api.get(&format!("//api/v1/build/{hash}/?17")).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_user_agent_is_answered_twice_on_one_connection() {
    let (_world, api) = World::with_replica().await;
    let mut socket = TcpStream::connect(api.running.address).await.unwrap();
    for _ in 0..2 {
        let text = body().to_string();
        let head = format!(
            "POST /api/v1/build HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        socket.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = socket.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_json() {
    let (world, api) = World::with_replica().await;
    assert_eq!(api.get("/no/such/route").await.status, 404);
    assert_eq!(api.get("/api/v1/build").await.status, 405);
    let delete = api.http.delete(api.url("/json/v1/overview.json"));
    let refused = api.send(delete).await;
    assert_eq!(refused.status, 405);
    assert!(refused.header("allow").contains("GET"), "{}", refused.header("allow"));
    let large = with("defaults", json!("x".repeat(300 * 1024)));
    assert_eq!(api.post(&large).await.status, 413);
    let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 65536])).take(200);
    let endless = reqwest::Body::wrap_stream(stream::iter(chunks));
    // The server stops reading: the client sees the answer or a closed connection, never a success.
    if let Ok(answer) = api.http.post(api.url("/api/v1/build")).body(endless).send().await {
        assert_eq!(answer.status(), 413);
    }
    let broken = api.http.post(api.url("/api/v1/build")).body("{\"version\": ");
    assert_eq!(api.send(broken).await.status, 422);
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_on_their_own_port_only() {
    let (_world, api) = World::with_replica().await;
    api.post(&body()).await;
    let get = async |url: String| api.http.get(url).send().await.unwrap();
    assert_eq!(get(api.admin("/livez")).await.status(), 200);
    let metrics = get(api.admin("/metrics")).await.text().await.unwrap();
    for line in [
        "asu_api_requests_total{method=\"POST\",route=\"/api/v1/build\",class=\"2xx\"} 1",
        "asu_api_catalog_revision 1",
        "asu_api_builds_created_total 1",
        "asu_api_requests_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(api.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_lists_what_is_served() {
    let (_world, api) = World::with_replica().await;
    let document = api.get("/openapi.json").await.json;
    for path in [
        "/api/v1/build",
        "/api/v1/build/{request_hash}",
        "/store/{bin_dir}/{file}",
        "/json/v1/overview.json",
        "/api/v1/build/{request_hash}/log",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    assert_eq!(api.get("/").await.status, 200);
}
