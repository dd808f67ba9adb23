//! Statistics of what was built, as asu 0.2.0 publishes them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::{
    harness::{World, until},
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
