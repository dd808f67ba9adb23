//! The laws of the queue, one fallback after the other: a place is never held by a build without a
//! Job, and a build that can start never waits for one that cannot.

use asu_core::failure::FailureReason;
use asu_crds::{FirmwareBuild, ImageBuilderCache};
use asu_tests::given::{World, admission, build, build_of, cache_of, reason};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    batch::v1::Job,
    core::v1::Secret,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use super::private::{private, script_of};

const ONE: &str = "--max-builds=1";
const OTHER: &str = "x86/64";

/// It waits with that reason, and says that it has no place.
async fn waits(world: &World, build: &FirmwareBuild, why: &str) {
    let what = format!("it is {why} without a place");
    world
        .status(build, &what, |status| reason(status) == why && admission(status) == "False")
        .await;
    assert!(world.jobs_of(build).await.iter().all(|job| job.status.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_builds_without_their_cache_let_others_start() {
    let (world, _operator) = World::with_ready_cache(&[ONE]).await;
    let other = world.ready_cache_of(OTHER).await;
    let (first, _) = world.admitted("first").await;
    let mut stuck = Vec::new();
    for package in ["one", "two"] {
        let build = world.create(&build_of(package, OTHER)).await;
        waits(&world, &build, "Queued").await;
        stuck.push(build);
    }
    let caches = world.api::<ImageBuilderCache>();
    caches.delete(&other.name_any(), &DeleteParams::default()).await.unwrap();
    for build in &stuck {
        waits(&world, build, "WaitingForCache").await;
    }
    let last = world.create(&build("last")).await;
    waits(&world, &last, "Queued").await;
    world.succeed(&first).await;
    world.job_of(&last).await;
    for build in &stuck {
        assert!(world.jobs_of(build).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_build_without_its_secret_lets_others_start_and_returns() {
    let (world, _operator) = World::with_ready_cache(&[ONE]).await;
    let (first, _) = world.admitted("first").await;
    let secret = world.create(&private()).await;
    script_of(&world, &secret, &secret.uid().unwrap()).await;
    waits(&world, &secret, "Queued").await;
    let last = world.create(&build("last")).await;
    waits(&world, &last, "Queued").await;
    world.api::<Secret>().delete("defaults", &DeleteParams::default()).await.unwrap();
    world.succeed(&first).await;
    world.job_of(&last).await;
    waits(&world, &secret, "WaitingForDefaults").await;
    script_of(&world, &secret, &secret.uid().unwrap()).await;
    waits(&world, &secret, "Queued").await;
    world.succeed(&last).await;
    world.job_of(&secret).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_the_pause_between_attempts_another_build_gets_the_place() {
    let (world, _operator) = World::with_ready_cache(&[ONE, "--retry-pause=4s"]).await;
    let (failing, job) = world.admitted("failing").await;
    let next = world.create(&build("next")).await;
    waits(&world, &next, "Queued").await;
    // Its pod is gone: the pause counts from what the Job says.
    world.commit_attempt(&failing, 1, FailureReason::DownloadFailed);
    world.fail(&job).await;
    waits(&world, &failing, "AttemptFailed").await;
    world.job_of(&next).await;
    // Its pause ends while there is no place.
    waits(&world, &failing, "Queued").await;
    let younger = world.create(&build("younger")).await;
    waits(&world, &younger, "Queued").await;
    world.succeed(&next).await;
    world.second_job_of(&failing).await;
    assert!(world.jobs_of(&younger).await.is_empty(), "its age puts it before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_does_not_count_an_admitted_status_as_a_place() {
    let (world, operator) = World::with_ready_cache(&[ONE]).await;
    // Nobody fills the cache of the other.
    world.create(&cache_of(OTHER)).await;
    let stale = world.create(&build_of("stale", OTHER)).await;
    waits(&world, &stale, "WaitingForCache").await;
    operator.terminate().await.unwrap();
    let mut status = world.api::<FirmwareBuild>().get(&stale.name_any()).await.unwrap().status;
    for condition in status.iter_mut().flat_map(|status| &mut status.conditions) {
        if condition.type_ == "Admitted" {
            condition.status = "True".into();
        }
    }
    let said = json!({ "status": status });
    world.patch_status::<FirmwareBuild>(&stale.name_any(), &said).await;
    let _next = world.operator("b", &[ONE]).await;
    world.admitted("luci").await;
    waits(&world, &stale, "WaitingForCache").await;
}

/// Forbids the Jobs of one build, as a quota or a webhook may.
async fn forbid(world: &World, build: &FirmwareBuild) {
    let labels = "object.metadata.?labels['asu.dev/build'].orValue('')";
    let label = format!("{labels} != '{}'", build.name_any());
    let policy: ValidatingAdmissionPolicy = serde_json::from_value(json!({
        "metadata": {"name": "forbidden"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["jobs"]
            }]},
            "validations": [{"expression": label, "reason": "Forbidden"}]
        }
    }))
    .unwrap();
    let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
        "metadata": {"name": "forbidden"},
        "spec": {"policyName": "forbidden", "validationActions": ["Deny"]}
    }))
    .unwrap();
    let params = PostParams::default();
    Api::all(world.client.clone()).create(&params, &policy).await.unwrap();
    Api::all(world.client.clone()).create(&params, &binding).await.unwrap();
    let probe: Job = serde_json::from_value(json!({
        "metadata": {"name": "probe", "labels": {"asu.dev/build": build.name_any()}},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]
        }}}
    }))
    .unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    world
        .until("the policy is in force", async || {
            let tried = world.api::<Job>().create(&dry, &probe).await;
            matches!(tried, Err(kube::Error::Api(status)) if status.code == 403).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_whose_job_cannot_be_created_gives_its_place_back() {
    let world = World::new().await;
    let refused = world.create(&build("refused")).await;
    forbid(&world, &refused).await;
    let _operator = world.operator("a", &[ONE]).await;
    world.ready_cache().await;
    let why = "its status says who forbids its Job";
    let status = world.status(&refused, why, |status| reason(status) == "JobForbidden").await;
    assert_eq!(admission(&status), "False");
    assert!(status.message.unwrap().contains("forbidden"), "with Kubernetes' words");
    let (other, _) = world.admitted("other").await;
    let policies: Api<ValidatingAdmissionPolicyBinding> = Api::all(world.client.clone());
    policies.delete("forbidden", &DeleteParams::default()).await.unwrap();
    world.succeed(&other).await;
    world.job_of(&refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_waiting_or_running_build_lets_the_next_one_start() {
    let (world, _operator) = World::with_ready_cache(&[ONE]).await;
    let (first, _) = world.admitted("first").await;
    let queued = world.create(&build("queued")).await;
    waits(&world, &queued, "Queued").await;
    let last = world.create(&build("last")).await;
    waits(&world, &last, "Queued").await;
    world.delete(&queued).await;
    world.gone(&queued).await;
    world.delete(&first).await;
    world.gone(&first).await;
    world.job_of(&last).await;
}
