//! Tests of documents that are too slow, too large, of another kind, or of another server.

use std::time::{Duration, Instant};

use asu_upstream::{FeedsMemory, FeedsRead, FeedsRequest, Trust, read_feeds, versions};
use serde_json::json;

use crate::server::{Kept, Reply, Server, client, hurried};

const LIST: &str = ".versions.json";
const FOLDER: &str = "releases/24.10.7/packages/mips_24kc";

/// The reason why the list of versions cannot be read with this answer.
async fn refused(reply: Reply) -> &'static str {
    let server = Server::start();
    server.set(LIST, reply);
    versions::read(&client(&[&server])).await.unwrap_err().reason()
}

#[tokio::test]
async fn a_list_of_versions_of_any_wrong_kind_is_an_error_with_its_reason() {
    let truncated = br#"{"versions_list":["24.10.7""#;
    for (reply, reason) in [
        (Reply::Status(404), "NotFound"),
        (Reply::Status(500), "UpstreamUnavailable"),
        (Reply::Silence, "DownloadFailed"),
        (Reply::Truncated(truncated.to_vec()), "DownloadFailed"),
        (Reply::Body(truncated.to_vec()), "Malformed"),
        (Reply::Body(b"<!DOCTYPE html><html>Sign in</html>".to_vec()), "Malformed"),
        (Reply::Endless, "TooLarge"),
    ] {
        assert_eq!(refused(reply).await, reason);
    }
}

#[tokio::test]
async fn a_document_that_trickles_ends_at_the_time_limit_of_the_document() {
    let server = Server::start();
    server.set(LIST, Reply::Trickle);
    let began = Instant::now();
    let error = versions::read(&hurried(&server, Duration::from_millis(500))).await.unwrap_err();
    assert_eq!(error.reason(), "DownloadFailed");
    assert!(began.elapsed() < Duration::from_secs(20), "each byte came within the read time-out");
}

#[tokio::test]
async fn a_list_behind_a_redirect_to_another_server_is_checked_like_any_other() {
    let (asked, other) = (Server::start(), Server::start());
    asked.set(LIST, Reply::Redirect(format!("{}{LIST}", other.url())));
    other.body(LIST, "<html></html>");
    let error = versions::read(&client(&[&asked])).await.unwrap_err();
    assert_eq!(error.reason(), "Malformed");
    other.body(LIST, r#"{"versions_list":["24.10.7"]}"#);
    assert_eq!(versions::read(&client(&[&asked])).await.unwrap(), ["24.10.7"]);
}

/// Reads a feed with this index.
async fn feed(index: String) -> FeedsRead {
    let server = Server::start();
    server.body(&format!("{FOLDER}/feeds.conf"), "src-git base x\n");
    server.body(&format!("{FOLDER}/base/index.json"), index);
    let request = FeedsRequest {
        path: "releases/24.10.7".into(),
        arch: "mips_24kc".into(),
        trust: Trust::Unsigned,
        memory: FeedsMemory::default(),
    };
    read_feeds(&client(&[&server]), &request, &Kept::default()).await
}

fn index(packages: &serde_json::Value) -> String {
    json!({"version": 2, "architecture": "mips_24kc", "packages": packages}).to_string()
}

#[tokio::test]
async fn a_feed_with_200_000_packages_is_refused() {
    let packages: serde_json::Map<String, serde_json::Value> =
        (0..200_000).map(|number| (format!("p{number}"), json!("1"))).collect();
    let read = feed(index(&packages.into())).await;
    assert!(read.feeds.is_empty());
    assert!(read.problems["base"].to_string().contains("more than"), "{:?}", read.problems);
}

#[tokio::test]
async fn a_name_of_one_megabyte_is_left_out_and_reported_in_a_short_message() {
    let read = feed(index(&json!({"a": "1", "x".repeat(1 << 20): "1"}))).await;
    assert_eq!(read.feeds.len(), 1);
    let problem = read.problems["base"].to_string();
    assert!(problem.len() < 1000, "{} bytes", problem.len());
}

#[tokio::test]
async fn a_feed_with_the_same_package_twice_is_read() {
    let packages = r#"{"a":"1.9","a":"1.10"}"#;
    let text = format!(r#"{{"version":2,"architecture":"mips_24kc","packages":{packages}}}"#);
    let read = feed(text).await;
    assert_eq!((read.feeds.len(), read.problems.len()), (1, 0));
}
