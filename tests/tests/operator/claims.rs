//! That a tree is ready is observed for as long as it is used, not remembered.

use asu_core::failure::FailureReason;
use asu_crds::{CachePhase, FirmwareBuild, ImageBuilderCache, ImageBuilderCacheStatus, condition};
use asu_tests::given::{SHARED_CLAIM, World, build, cache, claim, populates, reason};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

const OWN: &str = "--cache-claim-mode=perCache";

fn said(status: &ImageBuilderCacheStatus) -> &str {
    status.reason.as_deref().unwrap_or_default()
}

/// A Job that fills the tree, and is none of those.
async fn another_populate(world: &World, name: &str, before: &[Job]) -> Job {
    world
        .until("the tree is made anew", async || {
            let known: Vec<_> = before.iter().map(ResourceExt::uid).collect();
            let jobs = world.jobs(&populates(name)).await;
            jobs.into_iter().find(|job| !known.contains(&job.uid()))
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_claim_is_created_again_and_builds_wait_without_a_place() {
    let (world, _operator) = World::with_operator(&[OWN, "--max-builds=1"]).await;
    let name = world.ready_cache().await.name_any();
    let first = world.jobs(&populates(&name)).await;
    let claims = world.api::<PersistentVolumeClaim>();
    let claim = format!("ibc-{name}");
    let old = claims.get(&claim).await.unwrap();
    // A pod that has not started will never find its tree.
    let (pending, job) = world.admitted("pending").await;
    claims.delete(&claim, &DeleteParams::default()).await.unwrap();
    let lost =
        world.cache_status(&name, "the loss is named", |status| status.place.is_none()).await;
    let ready = condition(&lost.conditions, "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "ClaimLost"));
    // Its protection lasts while a pod uses it: nobody lets go here.
    let status = world
        .status(&pending, "it waits for the cache", |status| reason(status) == "WaitingForCache")
        .await;
    assert_eq!(condition(&status.conditions, "Admitted").unwrap().status, "False");
    let gone = world.api::<Job>().get_opt(&job.name_any()).await.unwrap();
    assert!(gone.is_none(), "its Job would wait for ever");
    let_go(&world, &claim).await;
    let job = another_populate(&world, &name, &first).await;
    assert_ne!(claims.get(&claim).await.unwrap().uid(), old.uid());
    world.populated(&job).await;
    let ready = world.cache_status(&name, "it is ready", |status| status.place.is_some()).await;
    assert_eq!(ready.losses, Some(1));
    world.second_job_of(&pending).await;
    world.succeed_attempt(&pending, 2).await;
    world.archived(&pending).await;
}

/// Takes away the finalizer that keeps a claim while pods use it.
async fn let_go(world: &World, claim: &str) {
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    let claims = world.api::<PersistentVolumeClaim>();
    // It may be gone by now.
    let _ = claims.patch(claim, &PatchParams::default(), &patch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_lost_its_volume_is_created_again() {
    let (world, _operator) = World::with_operator(&[OWN]).await;
    let name = world.ready_cache().await.name_any();
    let first = world.jobs(&populates(&name)).await;
    let claim = format!("ibc-{name}");
    let old = world.api::<PersistentVolumeClaim>().get(&claim).await.unwrap();
    let lost = json!({ "status": { "phase": "Lost" } });
    world.patch_status::<PersistentVolumeClaim>(&claim, &lost).await;
    world.cache_status(&name, "the loss is named", |status| status.losses == Some(1)).await;
    world
        .until("the claim is deleted", async || {
            let_go(&world, &claim).await;
            let now = world.api::<PersistentVolumeClaim>().get_opt(&claim).await.ok()?;
            now.is_none_or(|build| build.uid() != old.uid()).then_some(())
        })
        .await;
    another_populate(&world, &name, &first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_shared_claim_is_reported_and_used_again_when_it_exists() {
    let (world, operator) = World::with_operator(&[]).await;
    let name = world.ready_cache().await.name_any();
    let first = world.jobs(&populates(&name)).await;
    let claims = world.api::<PersistentVolumeClaim>();
    operator.terminate().await.unwrap();
    // While nobody looks: the claim of the name is another one, and empty.
    claims.delete(SHARED_CLAIM, &DeleteParams::default()).await.unwrap();
    let_go(&world, SHARED_CLAIM).await;
    world.create(&claim(SHARED_CLAIM)).await;
    let _next = world.operator("b", &[]).await;
    let job = another_populate(&world, &name, &first).await;
    world.populated(&job).await;
    world.cache_status(&name, "it is ready", |status| status.place.is_some()).await;
    claims.delete(SHARED_CLAIM, &DeleteParams::default()).await.unwrap();
    let_go(&world, SHARED_CLAIM).await;
    let status = world
        .cache_status(&name, "the claim is missed", |status| {
            status.phase == Some(CachePhase::Failed) && status.place.is_none()
        })
        .await;
    assert_eq!(said(&status), "ClaimLost");
    let before = world.jobs(&populates(&name)).await;
    world.create(&claim(SHARED_CLAIM)).await;
    another_populate(&world, &name, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_a_pod_did_not_find_is_created_again_and_the_build_retried() {
    let (world, _operator) = World::with_operator(&[]).await;
    let name = world.ready_cache().await.name_any();
    let first = world.jobs(&populates(&name)).await;
    let (build, job) = world.admitted("luci").await;
    world.commit_attempt(&build, 1, FailureReason::TreeLost);
    world.fail(&job).await;
    let lost =
        world.cache_status(&name, "the cache is not ready", |status| status.place.is_none()).await;
    let ready = condition(&lost.conditions, "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "TreeLost"));
    assert!(ready.message.contains("said by publish"), "{}", ready.message);
    assert_eq!(lost.losses, Some(1));
    let again = another_populate(&world, &name, &first).await;
    assert!(world.jobs_of(&build).await.iter().all(|jobs_of| jobs_of.uid() == job.uid()));
    world.populated(&again).await;
    world.second_job_of(&build).await;
    world.succeed_attempt(&build, 2).await;
    world.archived(&build).await;
    let status = world.api::<ImageBuilderCache>().get(&name).await.unwrap().status.unwrap();
    assert_eq!(said(&status), "Ready", "one loss is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_or_deleted_populate_job_is_reported_and_replaced() {
    let (world, _operator) = World::with_operator(&[]).await;
    let name = world.create(&cache()).await.name_any();
    let job = world.job(&populates(&name)).await;
    let jobs = world.api::<Job>();
    let suspend = |on: bool| Patch::Merge(json!({ "spec": { "suspend": on } }));
    jobs.patch(&job.name_any(), &PatchParams::default(), &suspend(true)).await.unwrap();
    world.cache_status(&name, "it is suspended", |status| said(status) == "Suspended").await;
    jobs.patch(&job.name_any(), &PatchParams::default(), &suspend(false)).await.unwrap();
    world.cache_status(&name, "it goes on", |status| said(status) != "Suspended").await;
    let pod = world.started_pod(&job).await;
    jobs.delete(&job.name_any(), &DeleteParams::background()).await.unwrap();
    // Its pod may still write.
    world.cache_status(&name, "its pod ends", |status| said(status) == "Clearing").await;
    let now = DeleteParams::default().grace_period(0);
    world.api::<Pod>().delete(&pod.name_any(), &now).await.unwrap();
    world.cache_status(&name, "its Job is missed", |status| said(status) == "JobDeleted").await;
    another_populate(&world, &name, &[job]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_build_causes_the_next_attempt_of_a_failed_cache_at_once() {
    let world = World::new().await;
    // As after a long time without upstream.
    let name = world.create(&cache()).await.name_any();
    let at = |seconds: i64| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let status = json!({"status": {
        "phase": "Failed", "reason": "DownloadFailed", "failures": 9, "retryAt": at(580)
    }});
    world.patch_status::<ImageBuilderCache>(&name, &status).await;
    let _operator = world.operator("a", &[]).await;
    let build: FirmwareBuild = world.create(&build("luci")).await;
    world.status(&build, "it waits", |status| reason(status) == "WaitingForCache").await;
    let job = world.job(&populates(&name)).await;
    world.populated(&job).await;
    world.job_of(&build).await;
}
