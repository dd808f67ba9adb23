//! Checks for upgrades by clients of 2018 and 2019.

use asu_tests::{given, postgres::TestDatabase};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Replica, World, until},
    samples::VERSION_CODE,
};

const PATH: &str = "/api/upgrade-check";

/// A device with the newest version and its packages.
fn device() -> Value {
    json!({"distro": "OpenWrt", "version": "24.10.8", "target": "ath79/generic",
           "installed": {"base-files": "1620~ab4c7d6af7", "busybox": "1.36.1-r2", "kernel": "5",
                         "libc": "1", "libgcc1": "2"}})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = device();
    body[field] = value;
    body
}

async fn post(api: &Replica, body: &Value) -> Answer {
    api.send(api.http.post(api.url(PATH)).json(body)).await
}

async fn world() -> (World, Replica) {
    let mut world = World::new().await;
    world.publish(&["24.10.8", "24.10.7"], json!({})).await;
    let api = world.replica().await;
    (world, api)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_device_gets_204_with_the_hash_of_its_check() {
    let (_world, api) = world().await;
    let answer = post(&api, &device()).await;
    assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{}", answer.json);
    let hash = answer.header("x-request-hash");
    assert_eq!(hash.len(), 64);
    let again = api.get(&format!("{PATH}/{hash}")).await;
    assert_eq!((again.status, again.header("x-request-hash")), (204, hash));
    assert_eq!(api.get(&format!("{PATH}/{}", "0".repeat(64))).await.status, 404);
    assert_eq!(api.get(&format!("{PATH}/0123456789abcdef")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_device_is_offered_the_recommended_version_and_its_packages() {
    let (_world, api) = world().await;
    let mut old = with("version", json!("24.10.7"));
    old["installed"]["busybox"] = json!("1.0");
    for body in [old.clone(), {
        let mut body = old.clone();
        body["packages"] = body["installed"].take();
        body["target"] = json!("ath79");
        body["subtarget"] = json!("generic");
        body
    }] {
        let answer = post(&api, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        let hash = answer.hash();
        assert_eq!(
            answer.json,
            json!({
                "version": "24.10.8",
                "packages": ["base-files", "busybox", "kernel", "libc", "libgcc1"],
                "upgrades": {"busybox": ["1.36.1-r2", "1.0"]},
                "request_hash": hash,
            })
        );
        let again = api.get(&format!("{PATH}/{hash}")).await;
        assert_eq!((again.status, again.json), (200, answer.json));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_a_current_device_are_compared_only_if_it_asks_for_it() {
    let (_world, api) = world().await;
    let mut outdated = device();
    outdated["installed"]["busybox"] = json!("1.0");
    for (value, status) in [
        (json!(1), 200),
        (json!("1"), 200),
        (json!(true), 200),
        (json!(0), 204),
        (json!("0"), 204),
        (json!("undefined"), 204),
        (json!(null), 204),
        (json!([]), 400),
    ] {
        let mut body = outdated.clone();
        body["upgrade_packages"] = value.clone();
        let answer = post(&api, &body).await;
        assert_eq!(answer.status, status, "{value}: {}", answer.json);
        if status == 200 {
            assert_eq!(answer.json["upgrades"], json!({"busybox": ["1.36.1-r2", "1.0"]}));
            assert!(answer.json.get("version").is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_of_the_table_of_checks_has_its_status() {
    let (_world, api) = world().await;
    for (body, status, header) in [
        (json!([]), 400, ("", "")),
        (json!({}), 400, ("x-missing-param", "distro")),
        (with("distro", json!("nothing")), 412, ("", "")),
        (with("version", json!("1.2.3")), 412, ("", "")),
        (with("target", json!("no/such")), 412, ("", "")),
        (with("target", json!("ath79")), 400, ("x-missing-param", "subtarget")),
        (
            with("installed", json!({"nope": "1", "busybox": "1.36.1-r2", "other": "2"})),
            422,
            ("x-unknown-package", "nope, other"),
        ),
        (
            with("installed", json!({"liblucihttp0": "2023-r1", "liblucihttp": "2023-r1"})),
            204,
            ("", ""),
        ),
        (with("installed", json!({"busybox": 1})), 400, ("", "")),
        (with("installed", json!("busybox")), 400, ("", "")),
        (with("installed", json!({})), 204, ("", "")),
        (with("installed", json!(null)), 204, ("", "")),
        (with("target", json!(null)), 204, ("", "")),
        (with("version", json!(7)), 400, ("", "")),
        (with("revision", json!(7)), 400, ("", "")),
        (with("revision", json!(VERSION_CODE)), 204, ("", "")),
    ] {
        let answer = post(&api, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.json);
        if status >= 400 {
            assert!(answer.json["error"].is_string(), "{body}");
        }
        if !header.0.is_empty() {
            assert_eq!(answer.header(header.0), header.1, "{body}");
        }
    }
    let unsaid = post(&api, &json!({"distro": "openwrt"})).await;
    assert_eq!((unsaid.status, &unsaid.json["version"]), (200, &json!("24.10.8")));
    let partly = post(&api, &json!({"distro": "openwrt", "version": "24.10.7"})).await;
    assert_eq!((partly.status, &partly.json["version"]), (200, &json!("24.10.8")));
    let current = post(&api, &json!({"distro": "openwrt", "version": "24.10.8"})).await;
    assert_eq!(current.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_needs_no_database_once_its_target_is_in_memory() {
    let own = TestDatabase::own().await.unwrap();
    let mut world = World::on(given::plane().await, own).await;
    world.publish(&["24.10.8", "24.10.7"], json!({})).await;
    let api = world.replica().await;
    let mut old = with("version", json!("24.10.7"));
    assert_eq!(post(&api, &old).await.status, 200);
    world.database.stop().unwrap();
    until("the database to be away", async || {
        (api.get("/api/build-request/0f8fad5b-d9cb-469f-a165-70867728950e").await.status == 503)
            .then_some(())
    })
    .await;
    assert_eq!(post(&api, &old).await.status, 200);
    old["installed"]["nope"] = json!("1");
    assert_eq!(post(&api, &old).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_offered_again_only_to_a_device_with_another_revision() {
    let mut world = World::new().await;
    world.publish_with(&["24.10-SNAPSHOT"], |spec| spec.branches[0].snapshot = true).await;
    let api = world.replica().await;
    let device = with("version", json!("24.10-snapshot"));
    let told = |revision: &str| {
        let mut body = device.clone();
        body["revision"] = json!(revision);
        body
    };
    let by_base_files = |version: &str| {
        let mut body = device.clone();
        body["installed"]["base-files"] = json!(version);
        body
    };
    for (body, status) in [
        (told(VERSION_CODE), 204),
        (told("r1-0123456789"), 200),
        (by_base_files("1620~ab4c7d6af7"), 204),
        (by_base_files("1620~0123456789"), 200),
    ] {
        let answer = post(&api, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.json);
        if status == 200 {
            assert_eq!(answer.json["version"], "24.10-SNAPSHOT");
            assert_eq!(answer.json["revision"], VERSION_CODE);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_and_dropped_packages_are_not_unknown() {
    let mut world = World::new().await;
    world
        .publish_with(&["24.10.8", "24.10.7"], |spec| {
            spec.package_changes = serde_json::from_value(json!([
                {"source": "old-busybox", "target": "busybox", "version": "24.10.8"},
                {"source": "gone", "version": "24.10.8"},
            ]))
            .unwrap();
        })
        .await;
    let api = world.replica().await;
    let mut old = with("version", json!("24.10.7"));
    old["installed"] = json!({"base-files": "1", "old-busybox": "1", "gone": "1"});
    let answer = post(&api, &old).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(answer.json["packages"], json!(["base-files", "busybox"]));
    // auc asks for the packages of its old version.
    let request = json!({"distro": "openwrt", "version": "24.10.8", "target": "ath79/generic",
                         "board": "dev,a", "packages": ["base-files", "old-busybox", "gone"]});
    let asked = api.http.post(api.url("/api/upgrade-request")).json(&request);
    let asked = api.send(asked).await;
    assert_eq!(asked.status, 202, "{}", asked.json);
    let object = world.object(&asked.hash()[..64]).await;
    let packages = &object.spec.request.to_request().unwrap().packages;
    let names: Vec<String> = packages.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["base-files", "busybox"]);
}
