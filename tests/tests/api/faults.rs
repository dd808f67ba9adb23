//! Dependencies that go away and come back.

use std::time::Duration;

use asu_tests::{given, postgres::TestDatabase};
use serde_json::json;

use crate::{
    harness::{World, until},
    samples::{self, IMAGE, body, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_only_routes_that_need_it_fail_and_readiness_is_kept() {
    let mut world = World::on(given::plane().await, TestDatabase::own().await.unwrap()).await;
    let api = world.replica().await;
    let alive = api.post(&with("packages", json!(["nano"]))).await.hash();
    let stored = world.stored(samples::success()).await;
    let documents = "/json/v1/releases/24.10.7";
    let asked = [
        format!("{documents}/targets/ath79/generic/index.json"),
        format!("{documents}/packages/mips_24kc-index.json"),
        format!("{documents}/targets/ath79/generic/dev_a.json"),
    ];
    for path in &asked {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    world.database.stop().unwrap();
    for path in asked {
        assert_eq!(api.get(&path).await.status, 200, "{path} is in memory");
    }
    for path in [
        format!("{documents}/targets/ath79/generic/dev_b.json"),
        format!("/api/v1/build/{stored}"),
        format!("/api/v1/build/{stored}/log"),
        format!("/store/{}/{IMAGE}", samples::key()),
    ] {
        let answer = api.get(&path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{path}");
        assert_eq!(
            answer.json["detail"],
            "the database is not available at the moment, try again later"
        );
    }
    assert_eq!(api.post(&body()).await.status, 503);
    assert_eq!(api.state(&alive).await.status, 202);
    assert_eq!(api.get("/json/v1/overview.json").await.status, 200);
    assert_eq!(api.get(&format!("{documents}/targets/no/such/index.json")).await.status, 404);
    let ready = api.http.get(api.admin("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    world.database.resume().await.unwrap();
    until("the database to be used again", async || {
        (api.state(&stored).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_not_ready_before_database_catalog_and_watch_are_available() {
    let mut world = World::on(given::plane().await, TestDatabase::own().await.unwrap()).await;
    world.database.stop().unwrap();
    let api = world.replica_with(world.client.clone(), &[]).await;
    let ready = api.http.get(api.admin("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("a fitting database schema"));
    assert_eq!(api.post(&body()).await.status, 503);
    assert_eq!(api.http.get(api.admin("/livez")).send().await.unwrap().status(), 200);
    world.database.resume().await.unwrap();
    api.ready().await;
    assert_eq!(api.post(&body()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cluster_finished_images_are_served_and_no_404_is_wrong() {
    let world = World::on(given::own_plane().await, TestDatabase::own().await.unwrap()).await;
    let api = world.replica().await;
    world.stored(samples::success()).await;
    world.plane.freeze().unwrap();
    let (known, unknown) = (body(), "0".repeat(64));
    let new = with("packages", json!(["nano"]));
    let within = tokio::time::timeout(Duration::from_secs(15), async {
        tokio::join!(api.post(&known), api.state(&unknown), api.post(&new))
    });
    let (finished, unknown, new) = within.await.expect("clients wait 15 s for an answer");
    assert_eq!(finished.status, 200);
    assert_eq!((unknown.status, unknown.header("retry-after")), (503, "5"));
    assert_eq!(new.status, 503);
    world.plane.thaw().unwrap();
    until("the cluster to be used again", async || {
        (api.state(&"0".repeat(64)).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_stalled_watch_an_ended_build_is_answered_from_the_database() {
    let world = World::on(given::own_plane().await, TestDatabase::own().await.unwrap()).await;
    let api = world.replica().await;
    let hash = api.post(&body()).await.hash();
    let uid = world.object(&hash).await.metadata.uid.unwrap();
    assert_eq!(api.state(&hash).await.status, 202);
    world.plane.freeze().unwrap();
    // Of an earlier build: says nothing about the one on its way.
    world.archive("earlier", &hash, samples::success()).await;
    assert_eq!(api.state(&hash).await.status, 202);
    let ended = world.archive_with(&uid, &hash, samples::success(), |archive| {
        archive.facts.times.finished = samples::now();
    });
    ended.await;
    until("the stored image", async || (api.state(&hash).await.status == 200).then_some(())).await;
    assert_eq!(api.post(&body()).await.status, 200);
    world.plane.thaw().unwrap();
}
