//! Trees: made, renewed, failed, removed.

use asu_core::{
    failure::FailureReason,
    result::{PopulateFailure, PopulateResult},
};
use asu_crds::{CachePhase, ImageBuilderCache, ImageBuilderCacheStatus, labels};
use asu_tests::given::{World, build, cache, claim, populates};
use k8s_openapi::api::batch::v1::Job;
use kube::{ResourceExt, api::DeleteParams};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_names_its_cause_and_is_tried_again() {
    let (world, _operator) = World::with_operator(&[]).await;
    let cache = world.create(&cache()).await;
    let name = cache.name_any();
    let job = world.job(&populates(&name)).await;
    let failed = PopulateResult::failed(PopulateFailure::BadSignature, "signed by nobody");
    world.pod(&job, "populate", 1, Some(&serde_json::to_string(&failed).unwrap())).await;
    world.fail(&job).await;
    let failed = |status: &ImageBuilderCacheStatus| status.phase == Some(CachePhase::Failed);
    let status = world.cache_status(&name, "the cause", failed).await;
    assert_eq!(status.reason.as_deref(), Some("BadSignature"));
    assert_eq!(status.message.as_deref(), Some("signed by nobody"));
    assert!(status.place.is_none() && status.retry_at.is_some());
    world
        .until("another attempt", async || {
            let jobs = world.jobs(&populates(&name)).await;
            jobs.into_iter().find(|other| other.uid() != job.uid())
        })
        .await;
}

/// The watches of Jobs and of pods are two, and one may be behind the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_ready_although_the_watch_of_pods_has_not_shown_its_result() {
    let (world, _operator) = World::with_operator(&[]).await;
    let cache = world.create(&cache()).await;
    let name = cache.name_any();
    let mut job = world.job(&populates(&name)).await;
    let template = &mut job.spec.as_mut().unwrap().template;
    // By this label the operator watches.
    template.metadata.as_mut().unwrap().labels.as_mut().unwrap().remove(labels::MANAGED_BY);
    world.populated(&job).await;
    let ready = |status: &ImageBuilderCacheStatus| status.place.is_some();
    let status = world.cache_status(&name, "the cache is ready", ready).await;
    assert_eq!((status.failures, status.revision.as_deref()), (None, Some("r1-abc")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_builder_image_makes_a_new_tree_while_the_old_stays_in_use() {
    let (world, operator) = World::with_operator(&[]).await;
    let cache = world.ready_cache().await;
    let name = cache.name_any();
    let api = world.api::<ImageBuilderCache>();
    let old = api.get(&name).await.unwrap().status.unwrap();
    operator.terminate().await.unwrap();
    let _next = world.operator("b", &["--builder-image=builder:2"]).await;
    let job = world.new_tree(&name).await;
    let meanwhile = api.get(&name).await.unwrap().status.unwrap();
    assert_eq!((&meanwhile.place, &meanwhile.builder_image), (&old.place, &old.builder_image));
    let message = r#"{"schema":1,"revision":"r1","bytes":7}"#;
    world.pod(&job, "populate", 0, Some(message)).await;
    world.complete(&job).await;
    world.cache_status(&name, "the switch", |status| status.place != old.place).await;
    let image = api.get(&name).await.unwrap().status.unwrap().builder_image;
    assert_eq!(image.as_deref(), Some("builder:2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_claim_is_reported_and_fails_waiting_builds() {
    let world = World::new().await;
    let cache = cache();
    let name = cache.name_any();
    world.create(&claim(&format!("ibc-{name}"))).await;
    let _operator = world.operator("a", &["--cache-claim-mode=perCache"]).await;
    world.create(&cache).await;
    let failed = |status: &ImageBuilderCacheStatus| status.phase == Some(CachePhase::Failed);
    let status = world.cache_status(&name, "why it cannot be filled", failed).await;
    assert_eq!(status.reason.as_deref(), Some("NotAccepted"));
    assert!(status.message.unwrap().contains("another object's"));
    let build = world.create(&build("luci")).await;
    let failed = world.archived(&build).await;
    assert_eq!(failed.reason.as_deref(), Some(FailureReason::CacheFailed.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_the_builder_image_back_keeps_the_tree_in_use() {
    let (world, operator) = World::with_operator(&[]).await;
    let cache = world.ready_cache().await;
    let name = cache.name_any();
    let api = world.api::<ImageBuilderCache>();
    let place = api.get(&name).await.unwrap().status.unwrap().place.unwrap();
    operator.terminate().await.unwrap();
    let upgraded = world.operator("b", &["--builder-image=builder:2"]).await;
    let job = world.new_tree(&name).await;
    assert_eq!(job.annotations()["asu.dev/replaces"], place.sub_path);
    upgraded.terminate().await.unwrap();
    let _back = world.operator("c", &[]).await;
    world.populated(&job).await;
    let prune = world.job(&format!("{}={name},{}=prune", labels::CACHE, labels::COMPONENT)).await;
    assert_eq!(prune.annotations()["asu.dev/replaces"], job.annotations()["asu.dev/tree"]);
    assert_ne!(prune.annotations()["asu.dev/replaces"], place.sub_path);
    assert_eq!(api.get(&name).await.unwrap().status.unwrap().place, Some(place));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_cache_is_removed_when_no_build_uses_it() {
    let (world, _operator) = World::with_operator(&[]).await;
    let cache = world.ready_cache().await;
    let name = cache.name_any();
    let api = world.api::<ImageBuilderCache>();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    // Its folder on the shared claim goes first.
    let prune = world.job(&format!("{}={name},{}=prune", labels::CACHE, labels::COMPONENT)).await;
    world.complete(&prune).await;
    world
        .until("it is gone", async || api.get_opt(&name).await.ok()?.is_none().then_some(()))
        .await;
    let left: Vec<Job> = world.jobs(&populates(&name)).await;
    assert!(left.is_empty(), "{left:?}");
}
