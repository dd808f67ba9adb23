//! What one installation needs: a namespace, a database and an artifact store.

use std::{fmt::Debug, path::Path, sync::Arc, time::Duration};

use asu_crds::{
    FirmwareBuild, FirmwareBuildStatus, ImageBuilderCache, ImageBuilderCacheStatus, is_true,
};
use asu_store::{PgStore, PoolSettings, model::BuildRecord};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;

use super::{
    objects::{claim, distribution},
    plane::{namespace, plane},
    wait::{PATIENCE, found},
};
use crate::{cluster::ControlPlane, postgres::TestDatabase};

/// The claim of all caches, unless an operator has another option.
pub const SHARED_CLAIM: &str = "asu-cache";

/// An object of a namespace.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}

/// What one installation needs. Each test has its own.
pub struct World {
    /// The control plane.
    pub plane: Arc<ControlPlane>,
    /// A client of its administrator.
    pub client: Client,
    /// The installation's namespace.
    pub namespace: String,
    /// The database.
    pub database: TestDatabase,
    /// Folder of the artifact store.
    pub store: TempDir,
}

impl World {
    /// A new namespace on the shared control plane and a database server of its own, with a Distribution
    /// whose server does not answer and the claim of all caches.
    pub async fn new() -> Self {
        let database = TestDatabase::own().await.expect("a database");
        let world = Self::on(plane().await, database).await;
        world.create(&distribution()).await;
        world.create(&claim(SHARED_CLAIM)).await;
        world
    }

    /// A new, empty namespace on this control plane, with this database.
    pub async fn on(plane: Arc<ControlPlane>, database: TestDatabase) -> Self {
        let client = plane.client().await.expect("a client");
        let namespace = namespace(&client).await;
        let store = tempfile::tempdir().expect("a folder");
        Self { plane, client, namespace, database, store }
    }

    /// Objects of one kind.
    pub fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object.
    pub async fn create<K: Object>(&self, object: &K) -> K {
        let made = self.api().create(&PostParams::default(), object).await;
        made.expect("the object is created")
    }

    /// Merges this into an object's status, as its controller would.
    pub async fn patch_status<K: Object>(&self, name: &str, status: &serde_json::Value) -> K {
        let patch = Patch::Merge(status);
        self.api::<K>().patch_status(name, &PatchParams::default(), &patch).await.expect("a status")
    }

    /// The database with the operator's role. It gives up soon if the database is unavailable.
    pub fn pg_store(&self) -> PgStore {
        let settings =
            PoolSettings { acquire_timeout: Duration::from_secs(1), ..PoolSettings::default() };
        PgStore::connect(&self.database.url, &settings, "operator-test").expect("a URL")
    }

    /// Puts a file into the artifact store.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.store.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Calls `look` until it returns something. After [`PATIENCE`] it fails with `what` and the objects of
    /// the namespace.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        match found(PATIENCE, look).await {
            Some(found) => found,
            None => panic!("missing after {PATIENCE:?}: {what}\n{}", self.describe().await),
        }
    }

    async fn describe(&self) -> String {
        let kinds = "fwb,ibc,dist,jobs,pods,leases,events";
        let get = ["get", "-n", &self.namespace, kinds, "-o", "wide"];
        self.plane.kubectl(&get).await.unwrap_or_default()
    }

    /// The status of a build as soon as `done` is true for it.
    pub async fn status(
        &self,
        build: &FirmwareBuild,
        what: &str,
        done: impl Fn(&FirmwareBuildStatus) -> bool,
    ) -> FirmwareBuildStatus {
        let name = build.name_any();
        self.until(what, async || {
            let status = self.api::<FirmwareBuild>().get(&name).await.ok()?.status?;
            done(&status).then_some(status)
        })
        .await
    }

    /// The status of a cache as soon as `done` is true for it.
    pub async fn cache_status(
        &self,
        name: &str,
        what: &str,
        done: impl Fn(&ImageBuilderCacheStatus) -> bool,
    ) -> ImageBuilderCacheStatus {
        self.until(what, async || {
            let status = self.api::<ImageBuilderCache>().get(name).await.ok()?.status?;
            done(&status).then_some(status)
        })
        .await
    }

    /// The status of a build once it is archived.
    pub async fn archived(&self, build: &FirmwareBuild) -> FirmwareBuildStatus {
        self.status(build, "it is archived", |status| is_true(&status.conditions, "Archived")).await
    }

    /// The record of a build in the database.
    pub async fn record_of(&self, build: &FirmwareBuild) -> Option<BuildRecord> {
        let uid = build.uid().expect("a uid");
        self.pg_store().build_by_uid(&uid).await.expect("an answer of the database")
    }

    /// Deletes a build.
    pub async fn delete(&self, build: &FirmwareBuild) {
        let api = self.api::<FirmwareBuild>();
        api.delete(&build.name_any(), &DeleteParams::default()).await.expect("it is deleted");
    }

    /// Waits until a build's object is gone.
    pub async fn gone(&self, build: &FirmwareBuild) {
        let name = build.name_any();
        self.until("the object is gone", async || {
            let found = self.api::<FirmwareBuild>().get_opt(&name).await.ok()?;
            found.is_none_or(|found| found.uid() != build.uid()).then_some(())
        })
        .await;
    }
}
