//! Who is to blame for an attempt that failed: want of memory, or the request.

use asu_core::failure::FailureReason;
use asu_crds::FirmwareBuild;
use asu_tests::given::{World, reason};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

/// Memory that the container `build` of a Job may use.
fn memory(job: &Job) -> String {
    let containers = job.spec.clone().unwrap().template.spec.unwrap().containers;
    let build = containers.into_iter().find(|container| container.name == "build").unwrap();
    build.resources.unwrap().limits.unwrap()["memory"].0.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_ran_out_of_memory_is_tried_again_with_twice_as_much() {
    let options = ["--build-memory=1Gi", "--build-memory-max=3Gi", "--retry-pause=100ms"];
    let (world, _operator) = World::with_ready_cache(&options).await;
    let (build, first) = world.admitted("luci").await;
    assert_eq!(memory(&first), "1Gi");
    // Its package's script was killed, and that was taken for the request's fault.
    world.commit_failure(&build, FailureReason::PackageScript);
    world.killed_for_memory(&first).await;
    world.fail(&first).await;
    let second = world.second_job_of(&build).await;
    assert_eq!(memory(&second), "2Gi");
    let status = world.api::<FirmwareBuild>().get(&build.name_any()).await.unwrap().status.unwrap();
    assert_eq!(status.memory.as_deref(), Some("2Gi"));
    // What it saw of its memory itself.
    world.commit_attempt(&build, 2, FailureReason::OutOfMemory);
    world.pod(&second, "publish", 3, None).await;
    world.fail(&second).await;
    let third = world.attempt_of(&build, 3).await;
    assert_eq!(memory(&third), "3Gi", "the limit is kept");
    world.killed_for_memory(&third).await;
    world.fail(&third).await;
    let status = world.archived(&build).await;
    assert_eq!(reason(&status), FailureReason::OutOfMemory.as_str());
    let message = status.message.unwrap_or_default();
    assert!(message.contains("build") && message.contains("limit 3Gi"), "{message}");
    let record = world.record_of(&build).await.unwrap();
    assert_eq!(record.facts.fresh_until, record.facts.times.finished, "it is no answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_repository_of_the_request_uses_one_pod_and_is_kept_for_five_minutes() {
    let (world, _operator) = World::with_ready_cache(&["--retry-pause=100ms"]).await;
    let (build, job) = world.admitted("luci").await;
    world.commit_failure(&build, FailureReason::RepositoryFailed);
    world.pod(&job, "publish", 42, None).await;
    world.fail(&job).await;
    let status = world.archived(&build).await;
    assert_eq!((reason(&status), status.attempt), ("RepositoryFailed", Some(1)));
    let record = world.record_of(&build).await.unwrap();
    let fresh = record.facts.fresh_until.duration_since(record.facts.times.finished);
    assert_eq!(fresh.as_secs(), 5 * 60);
}
