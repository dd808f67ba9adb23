//! Tests of the signed list of feeds.

use asu_core::digest::Digest;
use asu_upstream::{FeedsMemory, FeedsRead, FeedsRequest, Trust, read_feeds};
use serde_json::json;

use crate::server::{Kept, Reply, Server, client, signature, trust};

const FOLDER: &str = "releases/24.10.7/packages/mips_24kc";
const FEEDS: [&str; 2] = ["base", "luci"];

fn index(version: &str) -> Vec<u8> {
    let index = json!({"version": 2, "architecture": "mips_24kc", "packages": {"a": version}});
    index.to_string().into_bytes()
}

fn put(server: &Server, feed: &str, version: &str) {
    server.body(&format!("{FOLDER}/{feed}/index.json"), index(version));
}

/// Serves a list with the digests of these versions of both feeds, signed by the key with this seed.
fn list(server: &Server, seed: u8, versions: [&str; 2]) {
    let line = |(feed, version)| format!("{} *{feed}/index.json\n", Digest::of(&index(version)));
    let sums: String = FEEDS.into_iter().zip(versions).map(line).collect();
    server.body(&format!("{FOLDER}/sha256sums.sig"), signature(seed, sums.as_bytes()));
    server.body(&format!("{FOLDER}/sha256sums"), sums);
}

fn start() -> Server {
    let server = Server::start();
    server.body(&format!("{FOLDER}/feeds.conf"), "src-git base x^1\nsrc-git luci y^2\n");
    for feed in FEEDS {
        put(&server, feed, "1");
    }
    list(&server, 3, ["1", "1"]);
    server
}

async fn read(server: &Server, trust: Trust, memory: FeedsMemory) -> FeedsRead {
    let (path, arch) = ("releases/24.10.7".into(), "mips_24kc".into());
    let request = FeedsRequest { path, arch, trust, memory };
    read_feeds(&client(&[server]), &request, &Kept::default()).await
}

async fn first(server: &Server) -> FeedsRead {
    read(server, trust(3), FeedsMemory::default()).await
}

#[tokio::test]
async fn feeds_in_a_list_that_a_key_of_the_branch_signed_are_verified() {
    let server = start();
    let read = first(&server).await;
    assert!(read.is_verified && read.problems.is_empty(), "{:?}", read.problems);
    assert_eq!(read.feeds.len(), 2);
}

#[tokio::test]
async fn a_feed_with_another_digest_than_the_signed_one_is_refused() {
    let server = start();
    put(&server, "luci", "2-forged");
    let read = first(&server).await;
    assert_eq!(read.problems["luci"].reason(), "BadChecksum");
    assert_eq!(read.feeds.keys().collect::<Vec<_>>(), ["base"]);
}

#[tokio::test]
async fn a_feed_that_the_signed_list_does_not_contain_is_refused() {
    let server = start();
    let sums = format!("{} *base/index.json\n", Digest::of(&index("1")));
    server.body(&format!("{FOLDER}/sha256sums.sig"), signature(3, sums.as_bytes()));
    server.body(&format!("{FOLDER}/sha256sums"), sums);
    let read = first(&server).await;
    assert_eq!(read.problems["luci"].reason(), "NotFound");
    assert_eq!(read.feeds.keys().collect::<Vec<_>>(), ["base"]);
}

#[tokio::test]
async fn no_feed_is_read_with_a_list_by_an_unknown_key_or_one_that_cannot_be_read() {
    let server = start();
    list(&server, 4, ["1", "1"]);
    assert_eq!(first(&server).await.problems["sha256sums"].reason(), "BadSignature");
    for (reply, reason) in [
        (Reply::Status(503), "UpstreamUnavailable"),
        (Reply::Body(b"<html></html>".to_vec()), "BadSignature"),
        (Reply::Endless, "TooLarge"),
    ] {
        let server = start();
        server.set(&format!("{FOLDER}/sha256sums"), reply);
        let read = first(&server).await;
        assert_eq!(read.problems["sha256sums"].reason(), reason);
        assert!(read.feeds.is_empty());
        assert_eq!(read.listed.unwrap(), FEEDS, "the last indexes stay in use");
    }
}

#[tokio::test]
async fn feeds_of_a_server_without_a_signed_list_are_read_unverified() {
    for file in ["sha256sums", "sha256sums.sig"] {
        let server = start();
        server.set(&format!("{FOLDER}/{file}"), Reply::Status(404));
        let read = first(&server).await;
        assert!(!read.is_verified && read.problems.is_empty(), "{:?}", read.problems);
        assert_eq!(read.feeds.len(), 2);
    }
}

#[tokio::test]
async fn a_signed_list_that_disappears_is_a_problem() {
    let server = start();
    let memory = first(&server).await.memory;
    server.set(&format!("{FOLDER}/sha256sums"), Reply::Status(404));
    put(&server, "luci", "2-forged");
    let second = read(&server, trust(3), memory).await;
    assert_eq!(second.problems["sha256sums"].reason(), "NotFound");
    assert!(second.feeds.is_empty());
}

#[tokio::test]
async fn an_unchanged_list_and_unchanged_feeds_are_not_downloaded_again() {
    let server = start();
    let first = first(&server).await;
    put(&server, "luci", "2");
    list(&server, 3, ["1", "2"]);
    let second = read(&server, trust(3), first.memory).await;
    assert!(second.is_verified && second.problems.is_empty(), "{:?}", second.problems);
    assert_eq!(second.feeds["base"], first.feeds["base"]);
    assert_ne!(second.feeds["luci"], first.feeds["luci"]);
    server.set(&format!("{FOLDER}/sha256sums.sig"), Reply::Status(503));
    let third = read(&server, trust(3), second.memory).await;
    assert_eq!((third.problems.len(), third.feeds), (0, second.feeds));
}

#[tokio::test]
async fn feeds_that_were_read_unverified_are_read_again_when_there_is_a_list() {
    let server = start();
    put(&server, "luci", "2-forged");
    let unverified = read(&server, Trust::Unsigned, FeedsMemory::default()).await;
    assert_eq!(unverified.feeds.len(), 2);
    let second = read(&server, trust(3), unverified.memory).await;
    assert_eq!(second.problems["luci"].reason(), "BadChecksum");
}
