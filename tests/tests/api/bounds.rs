//! The bound on waiting builds, and their places, with two replicas.

use std::collections::BTreeSet;

use asu_core::failure::FailureReason;
use asu_crds::{BuildCondition, FirmwareBuild, condition, is_true};
use futures::{StreamExt as _, future::join_all, stream};
use serde_json::json;

use crate::{
    harness::{Answer, Replica, World, until},
    samples::with,
};

const MAX_PENDING: usize = 200;

async fn replica(world: &World) -> Replica {
    let most = format!("--max-pending={MAX_PENDING}");
    world.ready_replica(&[most.as_str()]).await
}

/// Answers to so many different requests at once, half of them at each replica.
async fn post(replicas: [&Replica; 2], number: usize) -> Vec<Answer> {
    let bodies: Vec<_> = (0..number).map(|n| with("packages", json!([format!("p{n}")]))).collect();
    let posts = bodies.iter().zip(replicas.into_iter().cycle());
    join_all(posts.map(|(body, replica)| replica.post(body))).await
}

fn position(answer: &Answer) -> usize {
    let place = answer.json["queue_position"].as_u64().unwrap_or_else(|| panic!("{}", answer.json));
    usize::try_from(place).unwrap()
}

async fn positions(replica: &Replica, hashes: &[String]) -> Vec<usize> {
    stream::iter(hashes)
        .map(|hash| async { position(&replica.state(hash).await) })
        .buffered(16)
        .collect()
        .await
}

fn turned_away(build: &FirmwareBuild) -> bool {
    let conditions =
        build.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    is_true(conditions, "Archived")
        && condition(conditions, "Succeeded")
            .is_some_and(|condition| condition.reason == FailureReason::QueueFull.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_waiting_builds_holds_over_replicas_and_restarts() {
    let world = World::new().await;
    let (a, b) = (replica(&world).await, replica(&world).await);
    let answers = post([&a, &b], 300).await;
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 202);
    // Refused when more than so many wait.
    assert_eq!((taken.len(), refused.len()), (MAX_PENDING + 1, 300 - MAX_PENDING - 1));
    for answer in &refused {
        assert_eq!(answer.status, 529, "{}", answer.json);
        assert_eq!(answer.header("retry-after"), "30");
    }
    // What came too late and is there all the same ends at once, and not as a failure of anybody.
    let made = world.objects().await.len();
    world
        .publisher()
        .operate("those beyond the bound to be turned away", async || {
            let objects = world.objects().await;
            (objects.iter().filter(|object| turned_away(object)).count() == made - MAX_PENDING - 1)
                .then_some(())
        })
        .await;
    let accepted: BTreeSet<String> = taken.iter().map(|answer| answer.hash()).collect();
    for build in world.objects().await {
        let (hash, away) = (&build.spec.request_hash, turned_away(&build));
        assert_ne!(accepted.contains(hash), away, "{hash}");
        if away {
            for replica in [&a, &b] {
                until("it is told so", async || {
                    (replica.state(hash).await.status == 529).then_some(())
                })
                .await;
            }
        }
    }
    let restarted = replica(&world).await;
    let late = restarted.post(&with("packages", json!(["late"]))).await;
    assert_eq!(late.status, 529, "{}", late.json);
    world.set_status(&taken[0].hash(), &[BuildCondition::Admitted], None).await;
    // There is room for one, for whoever asks first.
    let again = until("room for one more", async || {
        let answer = restarted.post(&with("packages", json!(["late"]))).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    assert_eq!(position(&again), MAX_PENDING);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_in_the_queue_are_unique_and_only_decrease() {
    let world = World::new().await;
    let (a, b) = (replica(&world).await, replica(&world).await);
    let answers = post([&a, &b], 100).await;
    let told: Vec<usize> = answers.iter().map(position).collect();
    let distinct: BTreeSet<usize> = told.iter().copied().collect();
    assert_eq!(
        distinct,
        (0..100).collect(),
        "each has a place of its own from the first answer on"
    );
    let hashes: Vec<String> = answers.iter().map(Answer::hash).collect();
    for replica in [&a, &b] {
        let shown = until("the same places at each replica", async || {
            let shown = positions(replica, &hashes).await;
            let fallen = shown.iter().zip(&told).all(|(now, then)| now <= then);
            assert!(fallen, "{shown:?} after {told:?}");
            (shown == told).then_some(shown)
        });
        shown.await;
    }
    // The one in the middle goes: all behind it move up, and nobody else moves.
    let middle = told.iter().position(|place| *place == 50).unwrap();
    world.set_status(&hashes[middle], &[BuildCondition::Admitted], None).await;
    let rest: Vec<String> =
        hashes.iter().filter(|hash| **hash != hashes[middle]).cloned().collect();
    let expected: Vec<usize> = told
        .iter()
        .filter(|told| **told != 50)
        .map(|told| told - usize::from(*told > 50))
        .collect();
    until("those behind to move up", async || {
        (positions(&a, &rest).await == expected).then_some(())
    })
    .await;
}
