//! Statistics of what was built, as asu 0.2.0 publishes them.

use std::sync::atomic::{AtomicU64, Ordering};

use asu_core::{failure::FailureReason, request::Request, request_hash::request_hash};
use serde_json::{Value, json};

use crate::{
    harness::{Replica, World, request, until},
    samples::{self, body, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn images_targets_and_packages_are_counted_and_kept_for_a_minute() {
    let (world, api) = World::with_replica().await;
    let paths = ["image_stats", "popular_targets", "popular_packages"];
    let empty = [json!({"total": 0, "stored": 0, "requested": 0}), json!([]), json!([])];
    for (path, expected) in paths.iter().zip(&empty) {
        assert_eq!(api.get(&format!("/api/v1/stats/{path}")).await.json, *expected, "{path}");
    }
    world.stored(samples::success()).await;
    // The same process answers from memory; another one reads the sums.
    assert_eq!(api.get("/api/v1/stats/image_stats").await.json, empty[0]);
    let other = world.replica().await;
    other.ready().await;
    let answer = async |path: &str| other.get(&format!("/api/v1/stats/{path}")).await;
    let images = answer("image_stats").await;
    assert_eq!(images.json, json!({"total": 1, "stored": 1, "requested": 0}));
    assert_eq!(images.header("cache-control"), "no-store");
    let targets = answer("popular_targets").await.json;
    assert_eq!((&targets[0]["target"], &targets[0]["count"]), (&json!("ath79/generic"), &json!(1)));
    assert!(targets[0]["build_seconds"].is_u64(), "{targets}");
    let packages = answer("popular_packages").await.json;
    assert_eq!(packages[0]["count"], 1, "{packages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_of_requests_are_counted_by_their_field_or_by_their_user_agent() {
    let (world, api) = World::with_replica().await;
    world.stored(samples::success()).await;
    api.post(&with("client", json!("owut/1"))).await;
    let plain = api.http.post(api.url("/api/v1/build")).json(&body());
    api.send(plain.header("user-agent", "auc (0.3.2)")).await;
    let counted = AtomicU64::new(0);
    until("both programs in the database", async || {
        let more = world.owner.fold_clients(world.epoch).await.unwrap();
        (counted.fetch_add(more, Ordering::Relaxed) + more == 2).then_some(())
    })
    .await;
}

/// A replica of a world with an image and a failure, and the request hash of the failure.
async fn image_and_failure() -> (World, Replica, String) {
    let world = World::new().await;
    world.stored(samples::success()).await;
    let failed = Request { packages: vec!["nope".parse().unwrap()], ..request() };
    let hash = request_hash(&failed).to_string();
    let ending = samples::failure(FailureReason::PackageSelection);
    world.archive_with("uid-failed", &hash, ending, |archive| archive.facts.request = failed).await;
    let api = world.replica().await;
    (world, api, hash)
}

/// The values of a line of a chart.
fn values(chart: &Value, line: usize) -> Vec<u64> {
    let data = chart["datasets"][line]["data"].as_array().unwrap();
    data.iter().filter_map(Value::as_u64).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_of_the_public_server_are_answered_in_its_form() {
    let (_world, api, _) = image_and_failure().await;
    assert_eq!(api.get("/api/v1/stats").await.json, json!({"queue_length": 0}));
    let summary = api.get("/api/v1/stats/summary").await.json;
    assert_eq!(summary, json!({"queue_length": 0, "builds_24h": 1}));
    let days = api.get("/api/v1/builds-per-day").await.json;
    assert_eq!(days["labels"].as_array().unwrap().len(), 30);
    let lines = days["datasets"].as_array().unwrap();
    let labels: Vec<_> = lines.iter().map(|line| &line["label"]).collect();
    assert_eq!(labels, ["Requests", "Cache-Hits", "Failures"]);
    assert_eq!((values(&days, 2).len(), values(&days, 2).iter().sum::<u64>()), (30, 1));
    let weeks = api.get("/api/v1/builds-by-version").await.json;
    assert_eq!(weeks["datasets"][0]["label"], "24.10");
    let weeks = api.get("/api/v1/builds-by-version?branch=24.10").await.json;
    assert_eq!(weeks["datasets"][0]["label"], "24.10.7");
    assert_eq!((values(&weeks, 0).len(), values(&weeks, 0).iter().sum::<u64>()), (26, 1));
    let page = api.get("/stats").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_and_failures_are_listed_up_to_a_number_and_failures_without_their_hash() {
    let (_world, api, hash) = image_and_failure().await;
    let top = api.get("/api/v1/top-packages?branch=24.10&n=1").await.json;
    assert_eq!((&top["branch"], &top["days"]), (&json!("24.10"), &json!(30)));
    assert_eq!(top["packages"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("/api/v1/top-packages?branch=%00").await.json["packages"], json!([]));
    assert_eq!(api.get("/api/v1/top-packages?n=x").await.status, 422);
    let errors = api.get("/api/v1/build-errors").await;
    let text = String::from_utf8(errors.bytes).unwrap();
    assert!(text.starts_with("Build Errors: 1 entries\nTime range: "), "{text}");
    let line = "24.10.7:ath79/generic:dev_a Impossible package selection: missing (nope)\n";
    assert!(text.ends_with(line), "{text}");
    assert!(!text.contains(&hash));
    assert_eq!(api.get("/api/v1/build-errors?n=0").await.bytes, b"No build errors recorded.\n");
}
