//! What can happen to a pod that fills a cache: the status names it, and the cache is filled again.

use asu_core::result::{PopulateFailure, PopulateResult};
use asu_crds::{CachePhase, ImageBuilderCacheStatus, labels};
use asu_tests::given::{World, cache, cache_of, populates};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

/// The status of a pod whose container ended for this reason.
fn ended(reason: &str) -> Value {
    json!([{
        "name": "populate", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
        "state": {"terminated": {
            "exitCode": 137, "reason": reason,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z",
        }},
    }])
}

/// What kubelet and node lifecycle controller say, and the reason in the status of the cache.
fn losses() -> [(&'static str, Value, &'static str); 4] {
    let disrupted = json!([{
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
        "message": "the node is gone",
    }]);
    [
        (
            "a/evicted",
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            "Evicted",
        ),
        (
            "a/killed",
            json!({"phase": "Failed", "containerStatuses": ended("OOMKilled")}),
            "OutOfMemory",
        ),
        ("a/drained", json!({"phase": "Failed", "conditions": disrupted}), "Disrupted"),
        (
            "a/shutdown",
            json!({"phase": "Failed", "reason": "NodeShutdown", "message": "the node goes"}),
            "Disrupted",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_pod_is_named_and_its_cache_is_filled_again() {
    let (world, _operator) = World::with_operator(&[]).await;
    for (target, pod, _) in losses() {
        let name = world.create(&cache_of(target)).await.name_any();
        let job = world.job(&populates(&name)).await;
        let started = world.started_pod(&job).await;
        world.patch_status::<Pod>(&started.name_any(), &json!({ "status": pod })).await;
        world.fail(&job).await;
    }
    for (target, _, reason) in losses() {
        let name = cache_of(target).name_any();
        let failed = |status: &ImageBuilderCacheStatus| status.reason.as_deref() == Some(reason);
        let status = world.cache_status(&name, reason, failed).await;
        assert_eq!((status.phase, status.failures), (Some(CachePhase::Failed), Some(1)));
    }
    for (target, ..) in losses() {
        world.fill_cache(&cache_of(target).name_any()).await;
    }
}

async fn claim(world: &World, name: &str) -> Option<PersistentVolumeClaim> {
    world.api().get_opt(name).await.ok()?
}

fn size(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|size| size.0.as_str())
}

async fn full(world: &World, job: &Job) {
    let failed = PopulateResult::failed(PopulateFailure::NoSpace, "no space left on device");
    world.pod(job, "populate", 1, Some(&serde_json::to_string(&failed).unwrap())).await;
    world.fail(job).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_whose_claim_is_full_gets_a_larger_one() {
    let world = World::new().await;
    let _operator = world.operator("a", &["--cache-claim-mode=perCache"]).await;
    let name = world.create(&cache()).await.name_any();
    let job = world.job(&populates(&name)).await;
    let own = format!("ibc-{name}");
    let first = claim(&world, &own).await.unwrap();
    assert_eq!(size(&first), Some("4Gi"));
    full(&world, &job).await;
    let grows = |status: &ImageBuilderCacheStatus| status.claim_bytes == Some(8 << 30);
    let status = world.cache_status(&name, "a larger claim", grows).await;
    assert_eq!(status.reason.as_deref(), Some("NoSpace"));
    world
        .until("the full claim is deleted", async || {
            let there = claim(&world, &own).await?;
            there.metadata.deletion_timestamp.is_some().then_some(())
        })
        .await;
    // No controller removes it.
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let claims = world.api::<PersistentVolumeClaim>();
    claims.patch(&own, &PatchParams::default(), &none).await.unwrap();
    let second = world
        .until("the larger claim", async || {
            claim(&world, &own).await.filter(|claim| claim.uid() != first.uid())
        })
        .await;
    assert_eq!(size(&second), Some("8Gi"));
    world.fill_cache(&name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_claim_that_is_full_is_reported() {
    let (world, _operator) = World::with_operator(&[]).await;
    let name = world.create(&cache()).await.name_any();
    let job = world.job(&populates(&name)).await;
    assert_eq!(job.labels()[labels::CACHE], name);
    full(&world, &job).await;
    let failed = |status: &ImageBuilderCacheStatus| status.phase == Some(CachePhase::Failed);
    let status = world.cache_status(&name, "the full volume", failed).await;
    let message = status.message.unwrap();
    assert!(message.contains("asu-cache is shared by all caches"), "{message}");
}
