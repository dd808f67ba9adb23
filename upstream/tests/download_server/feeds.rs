//! Tests of reading the feeds of a branch.

use asu_core::{digest::Digest, package_index::PackageIndex};
use asu_upstream::{FeedsMemory, FeedsRead, FeedsRequest, Trust, read_feeds};
use serde_json::json;

use crate::server::{Kept, Reply, Server, client};

const FOLDER: &str = "releases/24.10.7/packages/mips_24kc";

fn put(server: &Server, feed: &str, packages: &serde_json::Value) {
    let index = json!({"version": 2, "architecture": "mips_24kc", "packages": packages});
    server.body(&format!("{FOLDER}/{feed}/index.json"), index.to_string());
}

fn start() -> Server {
    let server = Server::start();
    server.body(&format!("{FOLDER}/feeds.conf"), "src-git base x^1\nsrc-git luci y^2\n");
    put(&server, "base", &json!({"busybox": "1.36"}));
    put(&server, "luci", &json!({"luci": "24"}));
    server
}

async fn read(server: &Server, memory: FeedsMemory, kept: &Kept) -> FeedsRead {
    let request = FeedsRequest {
        path: "releases/24.10.7".into(),
        arch: "mips_24kc".into(),
        trust: Trust::Unsigned,
        memory,
    };
    read_feeds(&client(&[server]), &request, kept).await
}

fn versions(kept: &Kept, digest: &Digest) -> serde_json::Value {
    json!(serde_json::from_slice::<PackageIndex>(&kept.get(digest)).unwrap().versions())
}

#[tokio::test]
async fn every_listed_feed_is_read() {
    let (server, kept) = (start(), Kept::default());
    let read = read(&server, FeedsMemory::default(), &kept).await;
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    assert_eq!(read.listed.unwrap(), ["base", "luci"]);
    assert_eq!(versions(&kept, &read.feeds["base"]), json!({"busybox": "1.36"}));
    assert_eq!(versions(&kept, &read.feeds["luci"]), json!({"luci": "24"}));
}

#[tokio::test]
async fn an_unchanged_feed_is_not_downloaded_again() {
    let (server, kept) = (start(), Kept::default());
    let first = read(&server, FeedsMemory::default(), &kept).await;
    put(&server, "luci", &json!({"luci": "25"}));
    // An empty keeper: unchanged documents are not stored again.
    let kept = Kept::default();
    let second = read(&server, first.memory, &kept).await;
    assert_eq!(second.feeds["base"], first.feeds["base"]);
    assert_eq!(versions(&kept, &second.feeds["luci"]), json!({"luci": "25"}));
    let third = read(&server, second.memory, &Kept::default()).await;
    assert_eq!(third.feeds, second.feeds);
}

#[tokio::test]
async fn an_unchanged_index_of_opkg_is_not_downloaded_again() {
    let server = Server::start();
    server.body(&format!("{FOLDER}/feeds.conf"), "src-git base x\n");
    server.body(&format!("{FOLDER}/base/Packages"), "Package: a\nVersion: 1\n");
    let kept = Kept::default();
    let first = read(&server, FeedsMemory::default(), &kept).await;
    assert_eq!(versions(&kept, &first.feeds["base"]), json!({"a": "1"}));
    let second = read(&server, first.memory, &Kept::default()).await;
    assert_eq!((second.feeds, second.problems.len()), (first.feeds, 0));
}

#[tokio::test]
async fn feeds_are_read_again_through_another_version() {
    let (server, kept) = (start(), Kept::default());
    let first = read(&server, FeedsMemory::default(), &kept).await;
    server.body("releases/24.10.8/packages/mips_24kc/feeds.conf", "src-git base x\n");
    let index = json!({"version": 2, "architecture": "mips_24kc", "packages": {"b": "1"}});
    server.body("releases/24.10.8/packages/mips_24kc/base/index.json", index.to_string());
    let request = FeedsRequest {
        path: "releases/24.10.8".into(),
        arch: "mips_24kc".into(),
        trust: Trust::Unsigned,
        memory: first.memory,
    };
    let second = read_feeds(&client(&[&server]), &request, &kept).await;
    assert_eq!(versions(&kept, &second.feeds["base"]), json!({"b": "1"}));
}

#[tokio::test]
async fn a_broken_feed_does_not_affect_the_others() {
    for (reply, reason) in [
        (Reply::Status(404), "NotFound"),
        (Reply::Status(503), "UpstreamUnavailable"),
        (Reply::Body(b"<html></html>".to_vec()), "Malformed"),
        (Reply::Truncated(b"{".to_vec()), "DownloadFailed"),
        (Reply::Endless, "TooLarge"),
    ] {
        let server = start();
        server.set(&format!("{FOLDER}/luci/index.json"), reply);
        let read = read(&server, FeedsMemory::default(), &Kept::default()).await;
        assert_eq!(read.feeds.keys().collect::<Vec<_>>(), ["base"]);
        assert_eq!(read.listed.unwrap(), ["base", "luci"]);
        assert_eq!(read.problems["luci"].reason(), reason);
    }
}

#[tokio::test]
async fn without_the_list_no_feed_is_read_and_the_memory_is_kept() {
    let server = start();
    let first = read(&server, FeedsMemory::default(), &Kept::default()).await;
    for (reply, reason) in [
        (Reply::Status(404), "NotFound"),
        (Reply::Body(b"<html>".to_vec()), "Malformed"),
        (Reply::Body(b"".to_vec()), "Malformed"),
        (Reply::Body(b"src-git ../../x y\n".to_vec()), "Malformed"),
    ] {
        server.set(&format!("{FOLDER}/feeds.conf"), reply);
        let read = read(&server, first.memory.clone(), &Kept::default()).await;
        assert!(read.listed.is_none() && read.feeds.is_empty());
        assert_eq!(read.problems["feeds.conf"].reason(), reason);
    }
}

#[tokio::test]
async fn invalid_entries_are_reported_at_each_reading() {
    let (server, kept) = (start(), Kept::default());
    put(&server, "luci", &json!({"luci": "24", "../x": "1"}));
    let first = read(&server, FeedsMemory::default(), &kept).await;
    let second = read(&server, first.memory, &kept).await;
    for problems in [first.problems, second.problems] {
        assert!(problems["luci"].to_string().contains("bad package name"));
    }
    assert_eq!(versions(&kept, &second.feeds["luci"]), json!({"luci": "24"}));
}

#[tokio::test]
async fn another_process_skips_unchanged_feeds_whose_documents_are_known() {
    let server = start();
    let first = read(&server, FeedsMemory::default(), &Kept::default()).await;
    let text = serde_json::to_string(&first.memory).unwrap();
    let memory = || serde_json::from_str::<FeedsMemory>(&text).unwrap();
    assert_eq!(memory().only(Some(&first.feeds)), first.memory);
    assert_eq!(memory().only(None).only(Some(&first.feeds)), memory().only(None));
    let mut moved = first.feeds.clone();
    moved.insert("luci".to_owned(), Digest::of(b"another"));
    let kept = Kept::default();
    let second = read(&server, memory().only(Some(&moved)), &kept).await;
    assert_eq!(second.feeds, first.feeds);
    assert_eq!(versions(&kept, &second.feeds["luci"]), json!({"luci": "24"}));
}
