//! From the object to the archived image, with everything that may come between.

use std::{sync::Arc, time::Duration};

use asu_core::failure::FailureReason;
use asu_crds::{
    BuildPhase, BuildPriority, Distribution, FirmwareBuild, Retention, condition, labels,
};
use asu_store::model::Ending;
use asu_tests::given::{TARGET, World, build, build_in, cache, distribution, reason};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, WatchEvent, WatchParams},
};
use tokio::sync::Mutex;

/// Counts writes to objects of one kind: the API server tells each write to watchers.
async fn count_writes<K>(api: Api<K>) -> Arc<Mutex<Vec<String>>>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + ResourceExt + Send + 'static,
{
    let seen = Arc::new(Mutex::new(Vec::new()));
    let version = api.list_metadata(&kube::api::ListParams::default()).await.unwrap();
    let version = version.metadata.resource_version.unwrap();
    let events = api.watch(&WatchParams::default(), &version).await.unwrap();
    let all = seen.clone();
    tokio::spawn(async move {
        let mut events = events.boxed();
        while let Ok(Some(event)) = events.try_next().await {
            let line = match &event {
                WatchEvent::Added(object) => format!("added {}", object.name_any()),
                WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
                WatchEvent::Deleted(object) => format!("deleted {}", object.name_any()),
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
            };
            all.lock().await.push(line);
        }
    });
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_is_archived_with_few_writes_and_its_job_deleted() {
    let (world, _operator) = World::with_ready_cache(&["--ttl-succeeded=2s"]).await;
    let builds = count_writes(world.api::<FirmwareBuild>()).await;
    let (build, job) = world.admitted("luci").await;
    let annotations = job.spec.clone().unwrap().template.metadata.unwrap().annotations.unwrap();
    let plan: asu_core::plan::BuildPlan =
        serde_json::from_str(&annotations["asu.dev/plan"]).unwrap();
    assert_eq!(plan.uid, build.uid().unwrap());
    assert_eq!(plan.attempt, 1);
    world.succeed(&build).await;
    let status = world.archived(&build).await;
    assert_eq!(status.phase, Some(BuildPhase::Succeeded));
    assert_eq!(condition(&status.conditions, "Ready").unwrap().status, "True");
    assert_eq!(status.result.unwrap().files, 1);
    // Besides these: the Secret of a private build, the Job, and two stages.
    let writes = builds.lock().await.clone();
    assert!(writes.len() + 4 <= 8, "{writes:?}");
    let record = world.record_of(&build).await.unwrap();
    assert!(matches!(record.facts.ending, Ending::Succeeded(_)));
    assert_eq!(record.facts.log.unwrap().text_bytes, 9);
    world.gone(&build).await;
    let left = world.jobs_of(&build).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_another_owner_is_ignored() {
    let world = World::new().await;
    world.create(&cache()).await;
    let build = world.create(&build("luci")).await;
    let uid: String = build.uid().unwrap().chars().take(8).collect();
    let hash: String = build.name_any().chars().take(24).collect();
    let foreign: Job = serde_json::from_value(serde_json::json!({
        "metadata": {
            "name": format!("{hash}-{uid}-1"),
            "labels": {labels::BUILD: build.name_any(), labels::MANAGED_BY: labels::OPERATOR}
        },
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "c", "image": "i"}]
        }}}
    }))
    .unwrap();
    let foreign = world.create(&foreign).await;
    let _operator = world.operator("a", &[]).await;
    world.fill_cache(&cache().name_any()).await;
    let ours = world
        .until("a Job of the build itself", async || {
            let jobs = world.jobs_of(&build).await;
            jobs.into_iter().find(|job| job.uid() != foreign.uid())
        })
        .await;
    assert_eq!(ours.owner_references()[0].uid, build.uid().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_result_is_archived_not_built() {
    let world = World::new().await;
    let build = world.create(&build("luci")).await;
    world.commit(&build, "k");
    let _operator = world.operator("a", &[]).await;
    world.ready_cache().await;
    assert_eq!(world.archived(&build).await.phase, Some(BuildPhase::Succeeded));
    let jobs = world.jobs_of(&build).await;
    assert!(jobs.is_empty(), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_is_archived_once_if_the_operator_is_killed_after_its_result() {
    let (world, operator) = World::with_ready_cache(&[]).await;
    let (build, job) = world.admitted("luci").await;
    world.status(&build, "it runs", |status| status.phase == Some(BuildPhase::Running)).await;
    drop(operator);
    world.commit(&build, "k");
    // By hand, while no operator is there.
    world.api::<Job>().delete(&job.name_any(), &DeleteParams::background()).await.unwrap();
    let _second = world.operator("b", &[]).await;
    assert_eq!(world.archived(&build).await.phase, Some(BuildPhase::Succeeded));
    let jobs = world.jobs_of(&build).await;
    assert!(jobs.is_empty(), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_build_that_is_deleted_is_archived_as_cancelled_with_its_log() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let (build, job) = world.admitted("luci").await;
    let pod = world.started_pod(&job).await;
    world.status(&build, "it runs", |status| status.phase == Some(BuildPhase::Running)).await;
    world.delete(&build).await;
    world
        .until("its Job is deleted", async || {
            world.api::<Job>().get_opt(&job.name_any()).await.ok()?.is_none().then_some(())
        })
        .await;
    // The pod ends after SIGTERM, having stored what there was of the log.
    let still_there = world.api::<FirmwareBuild>().get_opt(&build.name_any()).await.unwrap();
    assert!(still_there.is_some(), "it waits for its pod");
    world.commit_attempt(&build, 1, FailureReason::PodFailed);
    let pods = world.api::<k8s_openapi::api::core::v1::Pod>();
    let now = DeleteParams::default().grace_period(0);
    pods.delete(&pod.name_any(), &now).await.unwrap();
    world.gone(&build).await;
    let record = world.record_of(&build).await.unwrap();
    assert_eq!(record.facts.ending.failure().unwrap().reason, FailureReason::Cancelled);
    assert!(record.facts.log.unwrap().key.ends_with(".1.zst"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_hash_is_refused_and_never_built() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let mut forged = build("luci");
    forged.spec.request.packages = vec!["evil".into()];
    let forged = world.create(&forged).await;
    let status = world.archived(&forged).await;
    assert_eq!(condition(&status.conditions, "Accepted").unwrap().status, "False");
    assert_eq!(reason(&status), "Refused");
    assert!(world.jobs_of(&forged).await.is_empty());
    let record = world.record_of(&forged).await;
    assert!(record.is_none(), "nothing is recorded under a hash that it does not have");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_a_build_ends_and_is_archived_later() {
    let (mut world, _operator) = World::with_ready_cache(&[]).await;
    let (build, _) = world.admitted("luci").await;
    world.database.stop().unwrap();
    world.succeed(&build).await;
    let status = world
        .status(&build, "Archived=False", |status| {
            condition(&status.conditions, "Archived")
                .is_some_and(|condition| condition.status == "False")
        })
        .await;
    assert_eq!(reason(&status), "DatabaseUnavailable");
    world.database.resume().await.unwrap();
    assert_eq!(world.archived(&build).await.phase, Some(BuildPhase::Succeeded));
}

/// Lets the first attempt of a build fail for want of a download, and waits for the next.
async fn second_attempt(world: &World, build: &FirmwareBuild) -> Job {
    let first = world.job_of(build).await;
    world.commit_attempt(build, 1, FailureReason::DownloadFailed);
    world.pod(&first, "publish", 3, None).await;
    world.fail(&first).await;
    world.second_job_of(build).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_infrastructure_failure_is_tried_again() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let build = world.create(&build("luci")).await;
    let second = second_attempt(&world, &build).await;
    world.commit(&build, "k");
    world.pod(&second, "publish", 0, None).await;
    world.complete(&second).await;
    let status = world.archived(&build).await;
    assert_eq!((status.phase, status.attempt), (Some(BuildPhase::Succeeded), Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_build_is_not_before_the_start_of_its_last_attempt() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let build = world.create(&build("luci")).await;
    let second = second_attempt(&world, &build).await;
    // The pod of the first attempt is still there, with its end; that of the second is lost.
    world.commit(&build, "k");
    world.complete(&second).await;
    assert_eq!(world.archived(&build).await.attempt, Some(2));
    let record = world.record_of(&build).await.unwrap();
    let begun = second.creation_timestamp().unwrap().0;
    assert!(record.facts.times.finished >= begun, "{:?}", record.facts.times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_builds_run_than_allowed_and_the_next_begins_when_one_ends() {
    let (world, _operator) = World::with_ready_cache(&["--max-builds=1"]).await;
    let (first, job) = world.admitted("one").await;
    let second = world.create(&build("two")).await;
    world.status(&second, "it waits", |status| reason(status) == "Queued").await;
    // Waits have an end: a second Job would have come within moments.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.jobs(&format!("{}=build", labels::COMPONENT)).await.len(), 1);
    world.commit(&first, "k1");
    world.pod(&job, "publish", 0, None).await;
    world.complete(&job).await;
    world.job_of(&second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kubernetes_rejects_fails_its_build_and_frees_its_place() {
    let (world, first) = World::with_ready_cache(&[]).await;
    drop(first);
    let refused = r#"--pod-placement={"tolerations": [{"operator": "Sometimes"}]}"#;
    let _operator = world.operator("b", &["--max-builds=1", refused]).await;
    for package in ["one", "two"] {
        let status = world.archived(&world.create(&build(package)).await).await;
        assert_eq!(reason(&status), FailureReason::Internal.as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_of_high_priority_overtakes_waiting_builds() {
    let (world, _operator) = World::with_ready_cache(&["--max-builds=1"]).await;
    let (first, _) = world.admitted("one").await;
    let usual = world.create(&build("two")).await;
    world.status(&usual, "it waits", |status| reason(status) == "Queued").await;
    let mut urgent = build("three");
    urgent.spec.priority = BuildPriority::High;
    let urgent = world.create(&urgent).await;
    world.status(&urgent, "it waits", |status| reason(status) == "Queued").await;
    world.succeed(&first).await;
    world.job_of(&urgent).await;
    assert!(world.jobs_of(&usual).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_kept_for_as_long_as_its_object_asks() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let mut build = build("luci");
    build.spec.retention = Some(Retention { keep_seconds: 90 * 24 * 3600 });
    let build = world.create(&build).await;
    world.succeed(&build).await;
    world.archived(&build).await;
    let record = world.record_of(&build).await.unwrap();
    let kept = record.facts.keep_until.duration_since(record.facts.times.finished);
    assert_eq!(kept.as_hours(), 90 * 24);
    assert!(record.facts.fresh_until < record.facts.keep_until);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_of_a_deleted_distribution_fail_and_leave_the_queue() {
    let (world, _operator) = World::with_ready_cache(&["--max-builds=1"]).await;
    let distributions = world.api::<Distribution>();
    distributions.delete("openwrt", &DeleteParams::default()).await.unwrap();
    world
        .until("the Distribution is gone", async || {
            distributions.get_opt("openwrt").await.ok()?.is_none().then_some(())
        })
        .await;
    for package in ["one", "two"] {
        let status = world.archived(&world.create(&build(package)).await).await;
        assert_eq!(reason(&status), FailureReason::CacheFailed.as_str());
    }
    world.create(&distribution()).await;
    world.admitted("three").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_of_a_child_fail_with_the_name_of_its_missing_parent() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let distributions = world.api::<Distribution>();
    let mut child = distribution();
    child.metadata.name = Some("mesh".into());
    child.spec.upstream = None;
    child.spec.parent = Some(asu_crds::Parent { distribution: "openwrt".into() });
    child.spec.pinned_caches.clear();
    world.create(&child).await;
    distributions.delete("openwrt", &DeleteParams::default()).await.unwrap();
    world
        .until("the parent is gone", async || {
            distributions.get_opt("openwrt").await.ok()?.is_none().then_some(())
        })
        .await;
    let status = world.archived(&world.create(&build_in("mesh", "luci", TARGET)).await).await;
    assert_eq!(reason(&status), FailureReason::CacheFailed.as_str());
    let message = status.message.unwrap_or_default();
    assert!(message.contains("openwrt, the parent of mesh, is missing"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_can_be_cancelled_by_its_spec_while_it_waits() {
    let (world, _operator) = World::with_operator(&[]).await;
    // It waits for an ImageBuilder that nobody fills.
    world.create(&cache()).await;
    let build = world.create(&build("luci")).await;
    let cancel = kube::api::Patch::Merge(serde_json::json!({"spec": {"cancel": true}}));
    let api = world.api::<FirmwareBuild>();
    api.patch(&build.name_any(), &kube::api::PatchParams::default(), &cancel).await.unwrap();
    let status = world.archived(&build).await;
    assert_eq!(status.phase, Some(BuildPhase::Cancelled), "{status:?}");
}
