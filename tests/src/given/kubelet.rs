//! What kubelet and Job controller would do: a control plane without nodes has neither, so tests set the
//! states of Jobs and pods.

use asu_core::result::RESULT_SCHEMA;
use asu_crds::{FirmwareBuild, ImageBuilderCache};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Resource as _, ResourceExt as _, api::ListParams};
use serde_json::{Value, json};

use super::{
    objects::{TARGET, build, cache_of, populates, selector_of},
    world::World,
};

impl World {
    /// The cache of all test builds, filled as its pod would fill it.
    pub async fn ready_cache(&self) -> ImageBuilderCache {
        self.ready_cache_of(TARGET).await
    }

    /// The cache of another target.
    pub async fn ready_cache_of(&self, target: &str) -> ImageBuilderCache {
        let cache = self.create(&cache_of(target)).await;
        self.fill_cache(&cache.name_any()).await;
        cache
    }

    /// Fills a cache for which the operator makes a Job.
    pub async fn fill_cache(&self, name: &str) {
        let job = self.job(&populates(name)).await;
        self.populated(&job).await;
        self.cache_status(name, "the cache is ready", |status| status.place.is_some()).await;
    }

    /// Ends a Job of a cache as if it had filled the cache.
    pub async fn populated(&self, job: &Job) {
        let message = json!({"schema": RESULT_SCHEMA, "revision": "r1-abc", "bytes": 7});
        self.pod(job, "populate", 0, Some(&message.to_string())).await;
        self.complete(job).await;
    }

    /// An admitted build with this package, and its Job. Its cache must be ready.
    pub async fn admitted(&self, package: &str) -> (FirmwareBuild, Job) {
        let build = self.create(&build(package)).await;
        let job = self.job_of(&build).await;
        (build, job)
    }

    /// The one Job that a selector finds.
    pub async fn job(&self, selector: &str) -> Job {
        self.until(&format!("a Job {selector}"), async || {
            let found = self.jobs(selector).await;
            found.into_iter().find(|job| job.metadata.deletion_timestamp.is_none())
        })
        .await
    }

    /// All Jobs that a selector finds.
    pub async fn jobs(&self, selector: &str) -> Vec<Job> {
        let params = ListParams::default().labels(selector);
        self.api::<Job>().list(&params).await.expect("a list").items
    }

    /// The Job of a build.
    pub async fn job_of(&self, build: &FirmwareBuild) -> Job {
        self.job(&selector_of(build)).await
    }

    /// The Job that makes a new tree of a cache beside the one in use.
    pub async fn new_tree(&self, cache: &str) -> Job {
        self.until("a Job for the new tree", async || {
            let jobs = self.jobs(&populates(cache)).await;
            jobs.into_iter().find(|job| job.annotations().contains_key("asu.dev/replaces"))
        })
        .await
    }

    /// All Jobs of a build.
    pub async fn jobs_of(&self, build: &FirmwareBuild) -> Vec<Job> {
        self.jobs(&selector_of(build)).await
    }

    /// The Job of the second attempt, which the operator creates some time after the first failed.
    pub async fn second_job_of(&self, build: &FirmwareBuild) -> Job {
        self.attempt_of(build, 2).await
    }

    /// The Job of an attempt.
    pub async fn attempt_of(&self, build: &FirmwareBuild, attempt: u32) -> Job {
        let end = format!("-{attempt}");
        self.until(&format!("attempt {attempt}"), async || {
            let jobs = self.jobs_of(build).await;
            jobs.into_iter().find(|job| job.name_any().ends_with(&end))
        })
        .await
    }

    /// A finished pod of a Job, as the kubelet would leave it.
    pub async fn pod(&self, job: &Job, container: &str, code: i32, message: Option<&str>) -> Pod {
        let pod = self.started_pod(job).await;
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let ended = ended(container, code, &json!({ "message": message }));
        let status = json!({"status": {"phase": phase, "containerStatuses": [ended]}});
        self.patch_status::<Pod>(&pod.name_any(), &status).await
    }

    /// A pod of a Job whose container `build` was killed by the kernel because memory ran out.
    pub async fn killed_for_memory(&self, job: &Job) {
        let pod = self.started_pod(job).await;
        let containers = [
            ended("build", 42, &json!({ "reason": "OOMKilled" })),
            ended("publish", 42, &json!({ "reason": "Error" })),
        ];
        let status = json!({"status": {"phase": "Failed", "containerStatuses": containers}});
        self.patch_status::<Pod>(&pod.name_any(), &status).await;
    }

    /// A pod of a Job, without a status.
    pub async fn started_pod(&self, job: &Job) -> Pod {
        let template = job.spec.clone().expect("a spec").template;
        let mut pod = Pod {
            metadata: template.metadata.unwrap_or_default(),
            spec: template.spec,
            status: None,
        };
        pod.metadata.name = Some(format!("{}-pod", job.name_any()));
        pod.metadata.owner_references = job.controller_owner_ref(&()).map(|owner| vec![owner]);
        // No service account controller runs.
        if let Some(spec) = &mut pod.spec {
            spec.service_account_name = None;
        }
        self.create(&pod).await
    }

    /// Completes a Job.
    pub async fn complete(&self, job: &Job) {
        let now = now();
        let conditions = conditions(&["SuccessCriteriaMet", "Complete"], &now, ("Test", ""));
        let status = json!({
            "conditions": conditions, "startTime": started(job, &now), "completionTime": now,
            "succeeded": 1,
        });
        self.patch_status::<Job>(&job.name_any(), &json!({ "status": status })).await;
    }

    /// Fails a Job.
    pub async fn fail(&self, job: &Job) {
        self.fail_for(job, "Test", "").await;
    }

    /// Fails a Job with this reason and message.
    pub async fn fail_for(&self, job: &Job, reason: &str, message: &str) {
        let now = now();
        let conditions = conditions(&["FailureTarget", "Failed"], &now, (reason, message));
        let started = started(job, &now);
        let status = json!({"conditions": conditions, "startTime": started, "failed": 1});
        self.patch_status::<Job>(&job.name_any(), &json!({ "status": status })).await;
    }
}

/// The status of a container that ended with this code, with additional fields of `terminated`.
fn ended(name: &str, code: i32, more: &Value) -> Value {
    let mut ended = json!({
        "exitCode": code,
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z",
    });
    if let (Some(ended), Some(more)) = (ended.as_object_mut(), more.as_object()) {
        ended.extend(more.clone());
    }
    json!({
        "name": name, "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
        "state": {"terminated": ended},
    })
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// When a Job started. The API server refuses to change this time.
fn started(job: &Job, now: &str) -> Value {
    let started = job.status.as_ref().and_then(|status| status.start_time.as_ref());
    started.map_or_else(|| json!(now), |started| json!(started))
}

/// Conditions of a Job that hold since `now`.
fn conditions(types: &[&str], now: &str, (reason, message): (&str, &str)) -> Vec<Value> {
    let condition = |type_: &&str| {
        json!({"type": type_, "status": "True", "lastTransitionTime": now,
               "lastProbeTime": now, "reason": reason, "message": message})
    };
    types.iter().map(condition).collect()
}
