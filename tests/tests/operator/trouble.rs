//! Builds that somebody or something interferes with: what is said of them is what is so.

use asu_core::failure::FailureReason;
use asu_crds::{BuildPhase, FirmwareBuild, condition};
use asu_tests::given::{World, admission, build, reason};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod, events::v1::Event};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

/// An event with that reason and a note that has all these words.
async fn event(world: &World, on: &FirmwareBuild, reason: &str, words: &[&str]) {
    world
        .until(&format!("an event {reason} that says {words:?}"), async || {
            let events = world.api::<Event>().list(&ListParams::default()).await.ok()?;
            let found = events.items.into_iter().any(|event| {
                let note = event.note.unwrap_or_default();
                event.regarding.and_then(|regarding| regarding.uid) == on.uid()
                    && event.reason.as_deref() == Some(reason)
                    && words.iter().all(|word| note.contains(word))
            });
            found.then_some(())
        })
        .await;
}

async fn suspend(world: &World, job: &Job, suspended: bool) {
    let patch = Patch::Merge(json!({ "spec": { "suspend": suspended } }));
    let jobs = world.api::<Job>();
    jobs.patch(&job.name_any(), &PatchParams::default(), &patch).await.unwrap();
}

async fn end(world: &World, pod: &Pod) {
    let now = DeleteParams::default().grace_period(0);
    world.api::<Pod>().delete(&pod.name_any(), &now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_build_is_reported_has_no_place_and_continues_when_resumed() {
    let options = ["--max-builds=1", "--build-start-timeout=3s"];
    let (world, _operator) = World::with_ready_cache(&options).await;
    let (held, job) = world.admitted("held").await;
    suspend(&world, &job, true).await;
    let status =
        world.status(&held, "it is suspended", |status| reason(status) == "Suspended").await;
    assert_eq!((status.phase, admission(&status)), (Some(BuildPhase::Queued), "False"));
    event(&world, &held, "Suspended", &["suspended"]).await;
    let (other, _) = world.admitted("other").await;
    world.succeed(&other).await;
    world.archived(&other).await;
    // Longer than a pod may take to start: the Job controller says when it was resumed.
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let started = json!({ "status": { "startTime": now } });
    suspend(&world, &job, false).await;
    world.patch_status::<Job>(&job.name_any(), &started).await;
    let status = world.status(&held, "it goes on", |status| admission(status) == "True").await;
    assert_eq!((status.attempt, status.stage.as_deref()), (Some(1), Some("container_setup")));
    world.succeed(&held).await;
    assert_eq!(world.archived(&held).await.attempt, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_eviction_is_an_attempt_and_the_last_one_is_the_failure_of_the_build() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let build = world.create(&build("luci")).await;
    for attempt in 1..=3 {
        let job = world.attempt_of(&build, attempt).await;
        let told =
            world.status(&build, "its attempt", |status| status.attempt == Some(attempt)).await;
        assert_eq!(admission(&told), "True");
        let pod = world.started_pod(&job).await;
        let evicted = json!([{"type": "DisruptionTarget", "status": "True",
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]);
        let running = json!([{"name": "build", "image": "i", "imageID": "i", "ready": true,
            "restartCount": 0, "state": {"running": {}}}]);
        let status = json!({"status": {
            "phase": "Running", "conditions": evicted, "containerStatuses": running
        }});
        world.patch_status::<Pod>(&pod.name_any(), &status).await;
        let told = world
            .status(&build, "that it is evicted", |status| reason(status) == "Disrupted")
            .await;
        assert!(told.message.unwrap().contains("evicting"));
        // The pod is gone before the Job says so: nobody is left to ask.
        world.fail_for(&job, "PodFailurePolicy", "Pod p has condition DisruptionTarget").await;
        end(&world, &pod).await;
        if attempt < 3 {
            let words = [&format!("attempt {attempt} failed"), "evicted"];
            event(&world, &build, "PodFailed", &words).await;
        }
    }
    let status = world.archived(&build).await;
    assert_eq!((reason(&status), status.attempt), (FailureReason::PodFailed.as_str(), Some(3)));
    assert!(status.message.unwrap().contains("evicted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_job_is_reported_and_followed_by_another_attempt() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let (build, job) = world.admitted("luci").await;
    let pod = world.started_pod(&job).await;
    world.api::<Job>().delete(&job.name_any(), &DeleteParams::background()).await.unwrap();
    world.status(&build, "its Job is gone", |status| reason(status) == "JobDeleted").await;
    event(&world, &build, "JobDeleted", &["deleted"]).await;
    assert_eq!(world.jobs_of(&build).await.len(), 0, "its pod still runs");
    end(&world, &pod).await;
    event(&world, &build, "PodFailed", &["attempt 1 failed", "deleted"]).await;
    world.second_job_of(&build).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_without_a_pod_is_not_reported_as_running() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let (build, job) = world.admitted("luci").await;
    world.status(&build, "it has no pod", |status| reason(status) == "NoPod").await;
    let pod = world.started_pod(&job).await;
    let status = json!({"status": {"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"
    }]}});
    world.patch_status::<Pod>(&pod.name_any(), &status).await;
    let status = world.status(&build, "why", |status| reason(status) == "NotStarted").await;
    let ready = condition(&status.conditions, "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "NotStarted"));
    event(&world, &build, "NotStarted", &["Unschedulable"]).await;
}
