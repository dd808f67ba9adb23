//! Documents of upstream that clients (owut and auc) read before they request an image.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Replica, World, until};

const TARGET: &str = "/json/v1/releases/24.10.7/targets/ath79/generic";
const FEEDS: &str = "/json/v1/releases/24.10.7/packages";

#[tokio::test(flavor = "multi_thread")]
async fn a_target_has_its_own_packages_and_its_kernel_modules() {
    let world = World::new().await;
    let api = world.replica().await;
    let index = api.get(&format!("{TARGET}/index.json")).await;
    assert_eq!(index.status, 200, "{}", index.json);
    assert_eq!(
        index.json,
        json!({
            "architecture": "mips_24kc",
            "packages": {"base-files": "1620~ab4c7d6af7", "kmod-usb2": "6.6.110-r1"},
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_packages_of_all_feeds_are_one_flat_list_of_names_without_abi_suffix() {
    let world = World::new().await;
    let api = world.replica().await;
    let index = api.get(&format!("{FEEDS}/mips_24kc-index.json")).await;
    assert_eq!(index.json, json!({"busybox": "1.36.1-r2", "liblucihttp": "2023-r1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_has_upstreams_fields_of_the_device_and_of_its_target() {
    let world = World::new().await;
    let api = world.replica().await;
    let profile = api.get(&format!("{TARGET}/dev_a.json")).await.json;
    assert_eq!(profile["metadata_version"], 1);
    assert_eq!(profile["version_code"], "r29197-ab4c7d6af7");
    assert_eq!(profile["linux_kernel"]["vermagic"], "0d1e2f3a");
    assert_eq!(profile["supported_devices"][0], "dev,a");
    assert_eq!(profile["image_prefix"], "openwrt-24.10.7-ath79-generic-dev_a");
    assert_eq!(profile["images"][0]["type"], "sysupgrade");
    assert_eq!(profile["id"], "dev_a");
    assert_eq!(profile["build_at"], "2025-04-13T16:38:32.000000Z");
    assert!(profile.get("profiles").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_have_the_headers_of_the_overview_in_every_form_of_their_path() {
    let world = World::new().await;
    let api = world.replica().await;
    for path in [
        format!("{TARGET}/index.json"),
        format!("{TARGET}/dev_a.json"),
        format!("{FEEDS}/mips_24kc-index.json"),
    ] {
        let first = api.get(&path).await;
        assert_eq!(first.header("cache-control"), "public, max-age=60", "{path}");
        assert_eq!(first.header("content-type"), "application/json", "{path}");
        let known = api.http.get(api.url(&path)).header("if-none-match", first.header("etag"));
        let known = api.send(known).await;
        assert_eq!((known.status, known.bytes.len()), (304, 0), "{path}");
        let head = api.send(api.http.head(api.url(&path))).await;
        assert_eq!(head.header("content-length"), first.bytes.len().to_string(), "{path}");
        for form in [
            format!("/{path}/"),
            path.replace("/json/v1/", "//json//v1//"),
            format!("{path}?1700000000000"),
            format!("{path}?distro=openwrt"),
        ] {
            let same = api.get(&form).await;
            assert_eq!((same.status, same.json), (200, first.json.clone()), "{form}");
        }
        let unknown = api.get(&format!("{path}?distro=nothing")).await;
        assert_eq!(unknown.status, 400, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_that_is_not_offered_answers_404_in_json() {
    let world = World::new().await;
    let api = world.replica().await;
    for path in [
        "/json/v1/releases/24.10.9/targets/ath79/generic/index.json",
        "/json/v1/releases/24.10.7/targets/ath79/other/index.json",
        "/json/v1/releases/24.10.7/targets/ath79/other/dev_a.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/dev_c.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/dev_a",
        "/json/v1/releases/24.10.7/targets/ath79/generic/.json",
        "/json/v1/releases/24.10.7/packages/x86_64-index.json",
        "/json/v1/releases/24.10.7/packages/mips_24kc",
        "/json/v1/releases/24.10.7/packages/-index.json",
        "/json/v1/snapshots/targets/ath79/generic/index.json",
        "/json/v1/targets/ath79/generic/index.json",
        "/json/v1/releases/24.10.7/index.json",
        "/json/v1/releases/24.10.7/targets/%2e%2e/generic/index.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/%2e%2e%2fdev_a.json",
        "/json/v1/releases/x/%2e%2e/24.10.7/targets/ath79/generic/index.json",
        "/json/v1/%2e%2e%2freleases/24.10.7/targets/ath79/generic/index.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/dev_a.json%00",
    ] {
        let answer = as_it_is(&api, path).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {answer}");
        assert!(answer.contains("\r\n\r\n{\"status\":404,"), "{path}: {answer}");
    }
}

/// The answer to exactly this path. A client library would resolve its dots.
async fn as_it_is(api: &Replica, path: &str) -> String {
    let mut socket = TcpStream::connect(api.running.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_follow_the_catalog() {
    let mut world = World::new().await;
    let api = world.replica().await;
    assert_eq!(api.get(&format!("{TARGET}/index.json")).await.status, 200);
    world.publish(&["24.10.8", "24.10.7"], json!({})).await;
    let newer = TARGET.replace("24.10.7", "24.10.8");
    until("the packages of the new version", async || {
        (api.get(&format!("{newer}/index.json")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(api.get(&format!("{TARGET}/index.json")).await.status, 200);
    let feeds = api.get(&format!("{FEEDS}/mips_24kc-index.json")).await;
    let newer = api.get("/json/v1/releases/24.10.8/packages/mips_24kc-index.json").await;
    assert_eq!(newer.json, feeds.json, "feeds belong to the branch");
    world.publish(&["24.10.8"], json!({})).await;
    until("the end of the old version", async || {
        (api.get(&format!("{TARGET}/index.json")).await.status == 404).then_some(())
    })
    .await;
}
