//! The answers of every route of the older API, byte for byte, as in [`crate::recorded`].

use asu_core::{failure::FailureReason, request::Request, request_hash::request_hash};
use asu_tests::given;
use serde_json::{Value, json};

use crate::{
    harness::World,
    recorded::Recording,
    samples::{self, IMAGE},
};

const UID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const FAILED: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// A request of 2019.
fn asks(packages: &[&str]) -> Value {
    json!({"distro": "openwrt", "version": "24.10.7", "target": "ath79/generic", "board": "dev,a",
           "packages": packages})
}

/// Its canonical form.
fn request(packages: &[&str]) -> Request {
    Request { diff_packages: true, ..given::request("dev_a", packages) }
}

async fn post(recording: &mut Recording<'_>, path: &str, what: &str, body: &Value) {
    let request = recording.api.http.post(recording.api.url(path)).json(body);
    recording.with(&format!("POST {path} {what}"), request).await;
}

async fn offered(recording: &mut Recording<'_>) {
    let device = "distro=openwrt&version=24.10.7&target=ath79/generic&profile=dev_a";
    for path in [
        "/api/distros",
        "/api/versions",
        "/api/versions?distro=nothing",
        "/api/distributions",
        "/api/models?distro=openwrt&version=24.10.7&model_search=dev%20a",
        "/api/models?distro=openwrt",
        &format!("/api/packages_image?{device}"),
        &format!("/api/default_packages?{device}"),
        "/api/packages_image?distro=openwrt",
        "/api/v1/supported",
        "/network-profiles/Packages",
    ] {
        recording.get(path).await;
    }
}

async fn checks(recording: &mut Recording<'_>) {
    let device = json!({"distro": "openwrt", "version": "24.10.7", "target": "ath79/generic",
                        "installed": {"base-files": "1", "busybox": "1.36.1-r2"}});
    let with = |field: &str, value: Value| {
        let mut device = device.clone();
        device[field] = value;
        device
    };
    for (what, body) in [
        ("of a current device", device.clone()),
        ("of outdated packages", with("upgrade_packages", json!(1))),
        ("of an unknown package", with("installed", json!({"nope": "1"}))),
        ("of an unknown distribution", with("distro", json!("nothing"))),
        ("without a distribution", json!({})),
        ("of no object", json!([])),
    ] {
        post(recording, "/api/upgrade-check", what, &body).await;
    }
    recording.get("/api/upgrade-check/0123456789abcdef").await;
}

async fn requests(recording: &mut Recording<'_>) {
    let path = "/api/build-request";
    post(recording, path, "of something new", &asks(&["busybox"])).await;
    post(recording, path, "of a finished image", &asks(&["base-files", "busybox"])).await;
    let mut split = asks(&["base-files", "busybox"]);
    split["target"] = json!("ath79");
    split["subtarget"] = json!("generic");
    post(recording, "/api/upgrade-request", "of 2018", &split).await;
    post(recording, path, "of something that failed", &asks(&["kmod-usb2"])).await;
    post(recording, path, "of an unknown package", &asks(&["nope", "busybox"])).await;
    post(recording, path, "of nothing", &json!({})).await;
    post(recording, path, "of an unknown hash", &json!({"request_hash": "0"})).await;
    for path in ["/api/build-request/0", "/api/upgrade-request/0", "/api/build-request"] {
        recording.get(path).await;
    }
}

async fn files(recording: &mut Recording<'_>) {
    for root in ["/json", "/download"] {
        for path in ["", "/", "/sha256sums", &format!("/{IMAGE}"), "/other.bin"] {
            recording.get(&format!("{root}/{UID}{path}")).await;
        }
        recording.get(&format!("{root}/{UID}/buildlog-{UID}.txt")).await;
        for path in ["custom", "custom/0", "faillogs"] {
            recording.get(&format!("{root}/{path}")).await;
        }
    }
    for hash in [UID, "0"] {
        for route in ["image", "manifest", "v1/packages_hash"] {
            recording.get(&format!("/api/{route}/{hash}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_every_route_of_the_older_api_are_those_that_were_reviewed() {
    let (world, api) = World::with_replica().await;
    for (uid, packages, ending) in [
        (UID, ["base-files", "busybox"].as_slice(), samples::success()),
        (FAILED, &["kmod-usb2"], samples::failure(FailureReason::PackageSelection)),
    ] {
        let request = request(packages);
        let hash = request_hash(&request).to_string();
        world.archive_with(uid, &hash, ending, |archive| archive.facts.request = request).await;
    }
    let mut recording = Recording { api: &api, text: String::new() };
    offered(&mut recording).await;
    checks(&mut recording).await;
    requests(&mut recording).await;
    files(&mut recording).await;
    insta::assert_snapshot!(recording.text);
}
