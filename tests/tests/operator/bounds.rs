//! The bound on waiting builds, for objects made by hand.

use std::time::Duration;

use asu_core::failure::FailureReason;
use asu_crds::{FirmwareBuild, FirmwareBuildStatus, condition};
use asu_tests::given::{World, build, cache};
use futures::StreamExt as _;
use kube::{
    ResourceExt,
    api::{WatchEvent, WatchParams},
};

fn turned_away(status: &FirmwareBuildStatus) -> bool {
    let verdict = condition(&status.conditions, "Succeeded");
    verdict.is_some_and(|verdict| verdict.reason == FailureReason::QueueFull.as_str())
}

/// How many were accepted and how many turned away, once the operator has seen all.
async fn verdicts(world: &World, builds: &[FirmwareBuild]) -> Vec<bool> {
    let mut verdicts = Vec::new();
    for build in builds {
        let seen = |status: &FirmwareBuildStatus| status.resolved.is_some() || turned_away(status);
        let status = world.status(build, "it is accepted or turned away", seen).await;
        verdicts.push(turned_away(&status));
    }
    verdicts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_made_by_hand_obey_the_limit_of_waiting_builds_over_restarts() {
    let world = World::new().await;
    // Nobody fills it: builds wait.
    world.create(&cache()).await;
    let mut builds = Vec::new();
    for n in 0..6 {
        let mut build = build(&format!("p{n}"));
        // By hand, without our finalizer.
        build.metadata.finalizers = None;
        builds.push(world.create(&build).await);
    }
    let options = ["--max-pending=2"];
    let first = world.operator("a", &options).await;
    assert_eq!(verdicts(&world, &builds).await, [false, false, false, true, true, true]);
    first.terminate().await.unwrap();
    let _second = world.operator("b", &options).await;
    let late = world.create(&build("late")).await;
    assert_eq!(verdicts(&world, std::slice::from_ref(&late)).await, [true]);
    assert_eq!(verdicts(&world, &builds[..3]).await, [false; 3], "what was accepted stays");
    world.delete(&builds[1]).await;
    world.gone(&builds[1]).await;
    let next = world.create(&build("next")).await;
    assert_eq!(verdicts(&world, &[next]).await, [false], "there was room for one");
    for build in builds[3..].iter().chain([&late]) {
        let record = world.record_of(build).await;
        assert!(record.is_none(), "nothing is kept of what was turned away");
        world.delete(build).await;
        world.gone(build).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queued_build_is_recorded_and_released_with_one_write() {
    let world = World::new().await;
    // Nobody fills it: the build waits.
    world.create(&cache()).await;
    let _operator = world.operator("a", &[]).await;
    let build = world.create(&build("luci")).await;
    // The last write before the deletion: another one under way would be counted.
    let waits = |status: &FirmwareBuildStatus| {
        let ready = condition(&status.conditions, "CacheReady");
        ready.is_some_and(|ready| ready.reason != "Pending")
    };
    world.status(&build, "it waits for a cache that is being filled", waits).await;
    world.delete(&build).await;
    let api = world.api::<FirmwareBuild>();
    // All that happened to it, from its creation on.
    let params = WatchParams::default().fields(&format!("metadata.name={}", build.name_any()));
    let events = api.watch(&params, &build.resource_version().unwrap()).await.unwrap();
    let mut events = events.boxed();
    let mut writes_of_the_deleted = 0;
    loop {
        let event = tokio::time::timeout(Duration::from_secs(30), events.next()).await;
        match event.expect("it is gone").expect("the watch goes on").unwrap() {
            WatchEvent::Modified(build)
                if build.metadata.deletion_timestamp.is_some()
                    && !build.finalizers().is_empty() =>
            {
                writes_of_the_deleted += 1;
            }
            WatchEvent::Deleted(_) => break,
            _ => {}
        }
    }
    // The deletion itself; taking the finalizer off is what makes it go.
    assert_eq!(writes_of_the_deleted, 1);
    let record = world.record_of(&build).await;
    let failure = record.unwrap().facts.ending.failure().cloned().unwrap();
    assert_eq!(failure.reason, FailureReason::Cancelled);
}
