//! Requests of one set of packages, in several orders.

use asu_core::failure::FailureReason;
use serde_json::json;

use crate::{
    harness::World,
    samples::{self, body, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_build_gets_the_order_that_was_sent_and_all_orders_have_one_hash() {
    let (world, api) = World::with_replica().await;
    let first = api.post(&with("packages", json!(["vim", "luci", "vim", "nano"]))).await;
    let second = api.post(&with("packages", json!(["nano", "luci", "vim"]))).await;
    assert_eq!((first.status, second.status, second.hash()), (202, 202, first.hash()));
    let object = world.object(&first.hash()).await;
    assert_eq!(object.spec.request.packages, ["vim", "luci", "nano"]);
    let versions = json!({"vim": "9", "luci": "1", "nano": "2"});
    let versioned = api.post(&with("packages_versions", versions)).await;
    assert_eq!(versioned.status, 202, "{}", versioned.json);
    let object = world.object(&versioned.hash()).await;
    assert_eq!(object.spec.request.to_request().unwrap().packages, ["vim", "luci", "nano"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_failure_of_the_selection_answers_only_the_order_that_failed() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let hash = world.stored(samples::failure(FailureReason::PackageSelection)).await;
    for api in [&a, &b] {
        assert_eq!(api.state(&hash).await.status, 500);
        assert_eq!(api.post(&body()).await.status, 500);
    }
    let anew = a.post(&with("packages", json!(["luci", "vim"]))).await;
    assert_eq!((anew.status, anew.hash()), (202, hash.clone()));
    assert_eq!(world.object(&hash).await.spec.request.packages, ["luci", "vim"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_order_is_answered_with_its_own_failure() {
    let (world, api) = World::with_replica().await;
    let hash = world.stored(samples::failure(FailureReason::PackageSelection)).await;
    world
        .archive_with(
            "uid-2",
            &hash,
            samples::failure(FailureReason::PackageSelection),
            |archive| {
                archive.facts.request.packages.reverse();
            },
        )
        .await;
    let turned = with("packages", json!(["luci", "vim"]));
    for _ in 0..2 {
        for asked in [&body(), &turned] {
            let answer = api.post(asked).await;
            assert_eq!(answer.status, 500, "{}", answer.json);
        }
        assert_eq!(api.state(&hash).await.status, 500);
    }
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_failures_that_do_not_depend_on_the_order_answer_every_order() {
    for (ending, status) in
        [(samples::failure(FailureReason::ProfileNotBuilt), 500), (samples::success(), 200)]
    {
        let (world, api) = World::with_replica().await;
        world.stored(ending).await;
        let turned = api.post(&with("packages", json!(["luci", "vim"]))).await;
        assert_eq!((turned.status, api.post(&body()).await.status), (status, status));
        assert!(world.objects().await.is_empty());
    }
}
