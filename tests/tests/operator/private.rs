//! Builds with a first-boot script, and builds that nobody waits for any more.

use asu_core::{
    digest::Digest,
    failure::FailureReason,
    request_hash::{object_name, request_hash},
};
use asu_crds::{BuildPhase, DefaultsSpec, FirmwareBuild, is_true, labels};
use asu_tests::given::{World, build, cache};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// A build with a first-boot script.
pub fn private() -> FirmwareBuild {
    let mut build = build("luci");
    build.spec.request.defaults = Some(DefaultsSpec {
        sha256: Digest::of(b"uci set x=y").to_string(),
        length: 11,
        secret_name: "defaults".into(),
    });
    let hash = request_hash(&build.spec.request.to_request().unwrap());
    build.spec.request_hash = hash.to_string();
    build.metadata.name = Some(object_name(&hash));
    build
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_script_fails_the_build_while_its_cache_is_filled() {
    let (world, _operator) =
        World::with_operator(&["--defaults-timeout=2s", "--ttl-failed=2s"]).await;
    let cache = world.create(&cache()).await;
    world.job(&format!("{}={}", labels::CACHE, cache.name_any())).await;
    let build = world.create(&private()).await;
    let status = world.archived(&build).await;
    assert_eq!(status.reason.as_deref(), Some(FailureReason::DefaultsMissing.as_str()));
    assert!(world.jobs_of(&build).await.is_empty());
    // Its own time to live is over soon.
    world.gone(&build).await;
    let record = world.record_of(&build).await;
    assert!(record.is_some(), "history stays");
}

/// The Secret of a private build, as the API makes it, under that owner's uid.
pub async fn script_of(world: &World, build: &FirmwareBuild, uid: &str) -> Secret {
    let mut owner = build.controller_owner_ref(&()).unwrap();
    owner.uid = uid.to_owned();
    let mut secret = Secret::default();
    secret.metadata.name = Some("defaults".into());
    secret.metadata.owner_references = Some(vec![owner]);
    secret.string_data = Some([("defaults".to_owned(), "uci set x=y".to_owned())].into());
    world.create(&secret).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_is_deleted_when_its_build_has_ended() {
    let (world, _operator) = World::with_ready_cache(&[]).await;
    let build = world.create(&private()).await;
    script_of(&world, &build, &build.uid().unwrap()).await;
    world.job_of(&build).await;
    world.succeed(&build).await;
    world.archived(&build).await;
    let secrets = world.api::<Secret>();
    world
        .until("the Secret is gone", async || {
            secrets.get_opt("defaults").await.ok()?.is_none().then_some(())
        })
        .await;
    assert!(world.api::<FirmwareBuild>().get_opt(&build.name_any()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_of_another_build_is_neither_used_nor_deleted() {
    let (world, _operator) = World::with_ready_cache(&["--defaults-timeout=2s"]).await;
    let build = world.create(&private()).await;
    script_of(&world, &build, "00000000-0000-0000-0000-000000000000").await;
    let status = world.archived(&build).await;
    assert_eq!(status.reason.as_deref(), Some(FailureReason::DefaultsMissing.as_str()));
    // The deletion comes with the archive's pass, which ended by now or soon.
    world.delete(&build).await;
    world.gone(&build).await;
    assert!(world.api::<Secret>().get_opt("defaults").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_build_is_deleted_without_the_database() {
    let (mut world, _operator) = World::with_ready_cache(&[]).await;
    let (build, _) = world.admitted("luci").await;
    world.database.stop().unwrap();
    world.succeed(&build).await;
    world
        .status(&build, "its record is missing", |status| {
            status.reason.as_deref() == Some("DatabaseUnavailable")
        })
        .await;
    world.delete(&build).await;
    let api = world.api::<FirmwareBuild>();
    let held = api.get(&build.name_any()).await.unwrap();
    assert!(!is_true(&held.status.unwrap().conditions, "Archived"));
    let annotation = json!({"metadata": {"annotations": {labels::ABANDON_RECORD: "true"}}});
    let patch = Patch::Merge(annotation);
    api.patch(&build.name_any(), &PatchParams::default(), &patch).await.unwrap();
    world.gone(&build).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_cannot_start_says_why_and_is_tried_again() {
    let (world, _operator) = World::with_ready_cache(&["--build-start-timeout=8s"]).await;
    let (build, job) = world.admitted("luci").await;
    let pod = world.started_pod(&job).await;
    // A scheduler of many nodes says more than our schema takes.
    let said = format!("0/1 nodes are available{}", ", and so on".repeat(200));
    let status = json!({"status": {"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said
    }]}});
    world.patch_status::<k8s_openapi::api::core::v1::Pod>(&pod.name_any(), &status).await;
    let told = world
        .status(&build, "why it does not start", |status| {
            status.reason.as_deref() == Some("NotStarted")
        })
        .await;
    assert!(told.message.unwrap().starts_with("Unschedulable: 0/1 nodes are available, and"));
    let failed = world
        .status(&build, "the failed attempt", |status| {
            status.reason.as_deref() == Some("AttemptFailed")
        })
        .await;
    assert!(failed.message.unwrap().contains("did not start in time: Unschedulable"));
    let pods = world.api::<k8s_openapi::api::core::v1::Pod>();
    // Nobody else ends it: no kubelet runs.
    let now = kube::api::DeleteParams::default().grace_period(0);
    let _ = pods.delete(&pod.name_any(), &now).await;
    let again = world
        .status(&build, "the next attempt", |status| {
            status.attempt == Some(2) && status.phase == Some(BuildPhase::Running)
        })
        .await;
    assert_eq!(again.reason.as_deref(), Some("BuildingAgain"));
}
