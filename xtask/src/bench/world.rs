//! The environment of the benchmarks: a control plane, a database and an artifact store. The benchmarks
//! themselves do what Kubernetes and pods would do.

mod rows;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use asu_core::{
    failure::{Failure, FailureReason},
    result::{RESULT_SCHEMA, store_keys},
};
use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache, labels};
use asu_store::{PgStore, PoolSettings};
use asu_tests::{cluster::ControlPlane, postgres::Postgres};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        batch::v1::Job,
        core::v1::{PersistentVolumeClaim, Pod},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Error, missing,
    objects::{build, cache, parse, record},
};

/// Number of objects in one page of a list.
const PAGE: u32 = 500;
/// Time limit for the populate Job to appear.
const POPULATE: Duration = Duration::from_mins(1);
/// Interval of checks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The control plane, the database and the store. They are removed when the value is dropped.
pub struct World {
    plane: ControlPlane,
    client: Client,
    postgres: Postgres,
    database: String,
    folder: TempDir,
}

impl World {
    /// Starts the servers, with a Distribution that offers one version.
    ///
    /// # Errors
    /// When a server cannot be started.
    pub async fn start() -> Result<Self, Error> {
        let world = Self::servers().await?;
        let distribution: Distribution = parse(json!({
            "apiVersion": "asu.dev/v1alpha1", "kind": "Distribution",
            "metadata": {"name": "openwrt"},
            "spec": {
                "title": "Bench",
                // Nothing listens there, because no catalog is read.
                "upstream": {
                    "fetchURLs": ["http://127.0.0.1:1"], "publicURL": "http://public.example",
                },
                "branches": [{
                    "name": "24.10", "versions": ["24.10.7"], "signatures": "NotChecked",
                }],
            },
        }))?;
        world.put(&distribution).await?;
        let claim: PersistentVolumeClaim = parse(json!({
            "metadata": {"name": "asu-cache"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }))?;
        world.put(&claim).await?;
        Ok(world)
    }

    /// Starts the servers without any object.
    ///
    /// # Errors
    /// When a server cannot be started.
    pub async fn servers() -> Result<Self, Error> {
        let plane = ControlPlane::start().await?;
        let client = plane.client().await?;
        plane.install_definitions().await?;
        let postgres = Postgres::start().await.map_err(missing)?;
        let database = postgres.clone_template().await.map_err(missing)?;
        let folder = tempfile::tempdir().map_err(missing)?;
        std::fs::create_dir(folder.path().join("store")).map_err(missing)?;
        Ok(Self { plane, client, postgres, database, folder })
    }

    /// Changes the Distribution `openwrt`.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn change_distribution(&self, change: Value) -> Result<(), Error> {
        let patch = Patch::Merge(change);
        self.api::<Distribution>().patch("openwrt", &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Whether the present spec of the Distribution `openwrt` was read completely.
    ///
    /// # Errors
    /// When the API server does not answer, or the catalog could not be read or written.
    pub async fn is_read(&self) -> Result<bool, Error> {
        let object = self.api::<Distribution>().get("openwrt").await?;
        let Some(status) = &object.status else { return Ok(false) };
        if status.observed_generation != object.metadata.generation {
            return Ok(false);
        }
        let ready = asu_crds::condition(&status.conditions, "Ready");
        match ready {
            Some(ready) if ready.status == "True" => Ok(true),
            other => Err(Error::Missing(format!("the Distribution is not ready: {other:?}"))),
        }
    }

    /// Folder with the operator's log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of the artifact store.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Path of the kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig_path()
    }

    /// URL of the database.
    pub fn database_url(&self) -> String {
        self.postgres.url(&self.database)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Creates an object.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn put<K>(&self, object: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        Ok(self.api().create(&PostParams::default(), object).await?)
    }

    async fn set_status<K>(&self, name: &str, status: Value) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let patch = Patch::Merge(json!({ "status": status }));
        self.api::<K>().patch_status(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Creates the cache of all builds, and completes its populate Job as a pod would.
    ///
    /// # Errors
    /// When no populate Job appears.
    pub async fn ready_cache(&self) -> Result<(), Error> {
        let cache = cache();
        self.put(&cache).await?;
        let name = cache.name_any();
        let selector = format!("{}={name}", labels::CACHE);
        let job = self.job(&selector, &BTreeSet::new(), POPULATE).await?;
        let template = job.spec.clone().unwrap_or_default().template;
        let mut pod = Pod {
            metadata: template.metadata.unwrap_or_default(),
            spec: template.spec,
            status: None,
        };
        pod.metadata.name = Some("populate".into());
        pod.metadata.owner_references = job.controller_owner_ref(&()).map(|owner| vec![owner]);
        if let Some(spec) = &mut pod.spec {
            // Without the service account controller, the account does not exist.
            spec.service_account_name = None;
        }
        self.put(&pod).await?;
        let said = json!({"schema": RESULT_SCHEMA, "revision": "r1-abc", "bytes": 7}).to_string();
        let ended = json!({
            "exitCode": 0, "message": said,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z",
        });
        let container = json!({
            "name": "populate", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
            "state": {"terminated": ended},
        });
        let status = json!({"phase": "Succeeded", "containerStatuses": [container]});
        self.set_status::<Pod>("populate", status).await?;
        self.end_job(&job, &["SuccessCriteriaMet", "Complete"], "succeeded").await?;
        let end = Instant::now() + POPULATE;
        loop {
            let status = self.api::<ImageBuilderCache>().get(&name).await?.status;
            if status.is_some_and(|status| status.place.is_some()) {
                return Ok(());
            }
            late(end, "the cache to be ready")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Creates a build, like the API.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create(&self, number: usize) -> Result<(), Error> {
        self.put(&build(number)?).await.map(drop)
    }

    /// Archives a finished build, with a typical answer. Returns its request hash.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn finished(&self, number: usize) -> Result<String, Error> {
        let database = PgStore::connect(&self.database_url(), &PoolSettings::default(), "bench");
        let database = database.map_err(missing)?;
        let epoch = database.raise_epoch().await.map_err(missing)?;
        let record = record(number)?;
        database.archive(&record, epoch).await.map_err(missing)?;
        database.close().await;
        Ok(record.facts.request_hash.to_string())
    }

    /// Jobs of running builds.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn jobs(&self) -> Result<Vec<Job>, Error> {
        self.running(labels::BUILD).await
    }

    async fn running(&self, selector: &str) -> Result<Vec<Job>, Error> {
        let params = ListParams::default().labels(selector);
        let running = |job: &Job| {
            let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
            job.metadata.deletion_timestamp.is_none() && conditions.is_none()
        };
        let jobs = self.api::<Job>().list(&params).await?.items;
        Ok(jobs.into_iter().filter(running).collect())
    }

    /// Ends a build as its pod would, with a failure that the request caused.
    ///
    /// # Errors
    /// When the API server or the disk fails.
    pub async fn end(&self, job: &Job) -> Result<(), Error> {
        let name = job.labels().get(labels::BUILD).cloned().unwrap_or_default();
        let build = self.api::<FirmwareBuild>().get(&name).await?;
        let uid = build.uid().unwrap_or_default();
        let failure = Failure::new(FailureReason::PackageSelection, "a bench");
        let hash = &build.spec.request_hash;
        let result = json!({
            "schema": RESULT_SCHEMA, "uid": &uid, "requestHash": hash, "failure": failure,
        });
        let path = self.store().join(store_keys::result(&uid));
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(missing)?;
        let bytes = serde_json::to_vec(&result).map_err(missing)?;
        std::fs::write(path, bytes).map_err(missing)?;
        self.end_job(job, &["FailureTarget", "Failed"], "failed").await
    }

    async fn end_job(&self, job: &Job, types: &[&str], counter: &str) -> Result<(), Error> {
        let created = job.creation_timestamp().map(|time| time.0.to_string());
        let conditions: Vec<Value> = types
            .iter()
            .map(|type_| {
                json!({"type": type_, "status": "True", "lastTransitionTime": created,
                       "lastProbeTime": created, "reason": "Bench"})
            })
            .collect();
        let mut status = json!({"conditions": conditions, "startTime": created, counter: 1});
        if let (Some(object), "succeeded") = (status.as_object_mut(), counter) {
            object.insert("completionTime".to_owned(), json!(created));
        }
        self.set_status::<Job>(&job.name_any(), status).await
    }

    /// Waits for a Job that is not in `known`.
    ///
    /// # Errors
    /// When none appears in time.
    pub async fn another_job(&self, known: &[Job], within: Duration) -> Result<(), Error> {
        let known = known.iter().map(kube::ResourceExt::name_any).collect();
        self.job(labels::BUILD, &known, within).await.map(drop)
    }

    async fn job(
        &self,
        selector: &str,
        known: &BTreeSet<String>,
        within: Duration,
    ) -> Result<Job, Error> {
        let end = Instant::now() + within;
        loop {
            let jobs = self.running(selector).await?;
            if let Some(job) = jobs.into_iter().find(|job| !known.contains(&job.name_any())) {
                return Ok(job);
            }
            late(end, "a Job")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Names of all builds.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn builds(&self) -> Result<Vec<String>, Error> {
        let (mut params, mut names) = (ListParams::default().limit(PAGE), Vec::new());
        loop {
            let page = self.api::<FirmwareBuild>().list_metadata(&params).await?;
            names.extend(page.items.iter().map(kube::ResourceExt::name_any));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                None => return Ok(names),
                Some(token) => params = params.continue_token(&token),
            }
        }
    }

    /// Number of builds.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn count(&self) -> Result<usize, Error> {
        Ok(self.builds().await?.len())
    }

    /// Deletes a build.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        match self.api::<FirmwareBuild>().delete(name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Waits until no build exists.
    ///
    /// # Errors
    /// When builds still exist at the time limit.
    pub async fn nothing_left(&self, within: Duration) -> Result<(), Error> {
        let (one, end) = (ListParams::default().limit(1), Instant::now() + within);
        while !self.api::<FirmwareBuild>().list_metadata(&one).await?.items.is_empty() {
            late(end, "the last build to be gone")?;
            tokio::time::sleep(LOOK_EVERY * 10).await;
        }
        Ok(())
    }
}

fn late(end: Instant, what: &str) -> Result<(), Error> {
    if Instant::now() < end {
        Ok(())
    } else {
        Err(Error::Missing(format!("timed out while waiting for {what}")))
    }
}
