//! One control plane, one database, one store, and operators that can be started and dropped.

use std::{fmt::Debug, future::Future, path::Path, sync::Arc, time::Duration};

use asu_core::{
    build_key::BuildKey,
    digest::Digest,
    failure::{Failure, FailureReason},
    result::{BuildResult, Built, RESULT_SCHEMA, StoredFile, StoredLog, store_keys},
    retention::Space,
};
use asu_crds::{FirmwareBuild, FirmwareBuildStatus, ImageBuilderCache, is_true, labels};
use asu_store::{PgStore, PoolSettings};
use asu_tests::{cluster::ControlPlane, postgres::Postgres};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{batch::v1::Job, core::v1::Pod},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tempfile::TempDir;

use super::{
    objects::{TARGET, cache_of, claim, distribution, selector_of},
    plane,
    process::{Fill, Operator},
};

/// The claim of all caches, unless an operator is told otherwise.
pub const SHARED_CLAIM: &str = "asu-cache";
/// Everything that is waited for comes within this time, or the test says what was missing.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct World {
    pub plane: Arc<ControlPlane>,
    pub namespace: String,
    pub client: Client,
    pub postgres: Postgres,
    pub database: String,
    pub store: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let plane = plane::shared().await;
        let client = plane.client().await.expect("a client");
        let namespace = plane::namespace(&client).await;
        let postgres = Postgres::start().await.expect("a database");
        let database = postgres.clone_template().await.expect("a database");
        let store = tempfile::tempdir().expect("a folder");
        let world = Self { plane, namespace, client, postgres, database, store };
        world.create(&distribution()).await;
        world.create(&claim(SHARED_CLAIM)).await;
        world
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn create<K>(&self, object: &K) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        self.api().create(&PostParams::default(), object).await.expect("it is created")
    }

    pub fn pg_store(&self) -> PgStore {
        let settings =
            PoolSettings { acquire_timeout: Duration::from_secs(1), ..PoolSettings::default() };
        PgStore::connect(&self.postgres.url(&self.database), &settings, "operator-test")
            .expect("a URL")
    }

    /// Starts an operator of that name with more options. Its store is nearly empty, however full
    /// this machine is.
    pub async fn operator(&self, name: &str, options: &[&str]) -> Operator {
        let nearly_empty = Arc::new(|| Space { used: 1, capacity: 100 });
        self.operator_with(name, options, nearly_empty).await
    }

    /// One that is told how full the store is.
    pub async fn operator_with(&self, name: &str, options: &[&str], fill: Fill) -> Operator {
        Operator::start(self, name, options, fill).await
    }

    /// Creates the cache of all test builds and fills it as its pod would.
    pub async fn ready_cache(&self) -> ImageBuilderCache {
        self.ready_cache_of(TARGET).await
    }

    /// That of another target.
    pub async fn ready_cache_of(&self, target: &str) -> ImageBuilderCache {
        let cache = self.create(&cache_of(target)).await;
        self.fill_cache(&cache.name_any()).await;
        cache
    }

    pub async fn fill_cache(&self, name: &str) {
        let selector = format!("{}={name},{}=populate", labels::CACHE, labels::COMPONENT);
        let job = self.job(&selector).await;
        self.populated(&job).await;
        self.until("the cache is ready", || async {
            let cache = self.api::<ImageBuilderCache>().get(name).await.ok()?;
            cache.status?.place
        })
        .await;
    }

    /// Ends a Job of a cache as one that filled it.
    pub async fn populated(&self, job: &Job) {
        let message = json!({"schema": RESULT_SCHEMA, "revision": "r1-abc", "bytes": 7});
        self.pod(job, "populate", 0, Some(&message.to_string())).await;
        self.complete(job).await;
    }

    /// The one Job that a selector finds.
    pub async fn job(&self, selector: &str) -> Job {
        self.until(&format!("a Job {selector}"), || async {
            let found = self.jobs(selector).await;
            found.into_iter().find(|job| job.metadata.deletion_timestamp.is_none())
        })
        .await
    }

    pub async fn jobs(&self, selector: &str) -> Vec<Job> {
        let params = ListParams::default().labels(selector);
        self.api::<Job>().list(&params).await.expect("a list").items
    }

    pub async fn job_of(&self, build: &FirmwareBuild) -> Job {
        self.job(&selector_of(build)).await
    }

    pub async fn jobs_of(&self, build: &FirmwareBuild) -> Vec<Job> {
        self.jobs(&selector_of(build)).await
    }

    /// The Job of the second attempt, which the operator makes some while after the first failed.
    pub async fn second_job_of(&self, build: &FirmwareBuild) -> Job {
        self.attempt_of(build, 2).await
    }

    /// The Job of an attempt.
    pub async fn attempt_of(&self, build: &FirmwareBuild, attempt: u32) -> Job {
        let end = format!("-{attempt}");
        self.until(&format!("attempt {attempt}"), || async {
            let jobs = self.jobs_of(build).await;
            jobs.into_iter().find(|job| job.name_any().ends_with(&end))
        })
        .await
    }

    /// A finished pod of a Job, as the kubelet would leave it.
    pub async fn pod(&self, job: &Job, container: &str, code: i32, message: Option<&str>) -> Pod {
        let pod = self.started_pod(job).await;
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let ended = json!({
            "exitCode": code, "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z"
        });
        let status = json!({"status": {"phase": phase, "containerStatuses": [{
            "name": container, "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
            "state": {"terminated": ended}
        }]}});
        self.patch_status::<Pod>(&pod.name_any(), &status).await
    }

    /// A pod of a Job of which the kernel killed the container `build` for want of memory.
    pub async fn killed_for_memory(&self, job: &Job) {
        let pod = self.started_pod(job).await;
        let ended = |name: &str, code: i32, reason: &str| {
            json!({
                "name": name, "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code, "reason": reason,
                    "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z"}}
            })
        };
        let containers = [ended("build", 42, "OOMKilled"), ended("publish", 42, "Error")];
        let status = json!({"status": {"phase": "Failed", "containerStatuses": containers}});
        self.patch_status::<Pod>(&pod.name_any(), &status).await;
    }

    /// A pod of a Job that has not begun.
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

    pub async fn patch_status<K>(&self, name: &str, status: &serde_json::Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + serde::de::DeserializeOwned,
    {
        let patch = Patch::Merge(status);
        self.api::<K>().patch_status(name, &PatchParams::default(), &patch).await.expect("a status")
    }

    pub async fn complete(&self, job: &Job) {
        let types = ["SuccessCriteriaMet", "Complete"];
        self.end_job(job, &types, json!({"succeeded": 1}), ("Test", "")).await;
    }

    pub async fn fail(&self, job: &Job) {
        self.fail_for(job, "Test", "").await;
    }

    /// Fails a Job with what its controller says then.
    pub async fn fail_for(&self, job: &Job, reason: &str, message: &str) {
        let types = ["FailureTarget", "Failed"];
        self.end_job(job, &types, json!({"failed": 1}), (reason, message)).await;
    }

    async fn end_job(
        &self,
        job: &Job,
        types: &[&str],
        mut status: serde_json::Value,
        (reason, message): (&str, &str),
    ) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let conditions: Vec<_> = types
            .iter()
            .map(|type_| {
                json!({"type": type_, "status": "True", "lastTransitionTime": now,
                       "lastProbeTime": now, "reason": reason, "message": message})
            })
            .collect();
        status["conditions"] = json!(conditions);
        status["startTime"] = json!(now);
        if types.contains(&"Complete") {
            status["completionTime"] = json!(now);
        }
        self.patch_status::<Job>(&job.name_any(), &json!({ "status": status })).await;
    }

    /// What `publish` leaves of a build that succeeded.
    pub fn commit(&self, build: &FirmwareBuild, key: &str) -> BuildResult {
        let build_key = BuildKey::of(key.as_bytes());
        let file = StoredFile { name: "i.bin".into(), size: 5, sha256: Digest::of(b"image") };
        self.put(&store_keys::artifact(&build_key, &file.name), b"image");
        let result = BuildResult {
            built: Some(Built {
                build_key,
                files: vec![file],
                manifest: [("luci".to_owned(), "1".to_owned())].into(),
                packages: vec!["luci".parse().unwrap()],
                commands: vec![],
                profile: serde_json::Map::new(),
            }),
            failure: None,
            ..self.result(build)
        };
        self.put_result(&store_keys::result(&build.uid().expect("a uid")), &result);
        result
    }

    /// What `publish` leaves of a build that the request's own fault ended.
    pub fn commit_failure(&self, build: &FirmwareBuild, reason: FailureReason) {
        let failure = Some(Failure::new(reason, "said by publish"));
        let result = BuildResult { failure, ..self.result(build) };
        self.put_result(&store_keys::result(&result.uid), &result);
    }

    /// What `publish` leaves of an attempt that an infrastructure failure ended.
    pub fn commit_attempt(&self, build: &FirmwareBuild, attempt: u32, reason: FailureReason) {
        let uid = build.uid().expect("a uid");
        let failure = Some(Failure::new(reason, "said by publish"));
        let result = BuildResult { failure, ..self.result(build) };
        self.put(&store_keys::attempt_log(&uid, attempt), b"log");
        self.put_result(&store_keys::attempt_result(&uid, attempt), &result);
    }

    fn result(&self, build: &FirmwareBuild) -> BuildResult {
        let uid = build.uid().expect("a uid");
        self.put(&store_keys::log(&uid), b"log");
        BuildResult {
            schema: RESULT_SCHEMA,
            uid,
            request_hash: build.spec.request_hash.parse().expect("a hash"),
            built: None,
            failure: None,
            memory_unknown: false,
            log: Some(StoredLog { size: 3, text_bytes: 9, truncated: false }),
            millis: [].into(),
        }
    }

    fn put_result(&self, key: &str, result: &BuildResult) {
        self.put(key, &serde_json::to_vec(result).expect("JSON"));
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.store.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Ends a build as its pod would after a success.
    pub async fn succeed(&self, build: &FirmwareBuild) {
        let job = self.job_of(build).await;
        self.commit(build, &build.name_any());
        self.pod(&job, "publish", 0, None).await;
        self.complete(&job).await;
    }

    /// Ends a later attempt of a build so.
    pub async fn succeed_attempt(&self, build: &FirmwareBuild, attempt: u32) {
        let end = format!("-{attempt}");
        let jobs = self.jobs_of(build).await;
        let job = jobs.iter().find(|job| job.name_any().ends_with(&end)).expect("its Job");
        self.commit(build, &build.name_any());
        self.pod(job, "publish", 0, None).await;
        self.complete(job).await;
    }

    /// The status of a build once `done` holds for it.
    pub async fn status(
        &self,
        build: &FirmwareBuild,
        what: &str,
        done: impl Fn(&FirmwareBuildStatus) -> bool,
    ) -> FirmwareBuildStatus {
        let name = build.name_any();
        self.until(what, || async {
            let status = self.api::<FirmwareBuild>().get(&name).await.ok()?.status?;
            done(&status).then_some(status)
        })
        .await
    }

    pub async fn archived(&self, build: &FirmwareBuild) -> FirmwareBuildStatus {
        self.status(build, "it is archived", |status| is_true(&status.conditions, "Archived")).await
    }

    pub async fn delete(&self, build: &FirmwareBuild) {
        let api = self.api::<FirmwareBuild>();
        api.delete(&build.name_any(), &DeleteParams::default()).await.expect("it is deleted");
    }

    pub async fn gone(&self, build: &FirmwareBuild) {
        let name = build.name_any();
        self.until("the object is gone", || async {
            let found = self.api::<FirmwareBuild>().get_opt(&name).await.ok()?;
            found.is_none_or(|found| found.uid() != build.uid()).then_some(())
        })
        .await;
    }

    /// Looks until there is something; fails saying what was missing.
    pub async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        look: impl Fn() -> F,
    ) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if tokio::time::Instant::now() >= deadline {
                panic!("missing after {PATIENCE:?}: {what}\n{}", self.describe().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn describe(&self) -> String {
        let kinds = "fwb,ibc,dist,jobs,pods,leases,events";
        let get = ["get", "-n", &self.namespace, kinds, "-o", "wide"];
        self.plane.kubectl(&get).await.unwrap_or_default()
    }
}
