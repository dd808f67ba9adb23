//! One API, or several replicas of it, on a database and a namespace of its own.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use asu_api::{
    config::Settings,
    run::{Running, start},
};
use asu_core::{
    request::Request,
    request_hash::{RequestHash, object_name, request_hash},
};
use asu_crds::{BuildCondition, DistributionSpec, FirmwareBuild};
use asu_store::{
    PgStore,
    model::{Ending, NewArchive},
};
use asu_tests::{cluster::ControlPlane, given, postgres::TestDatabase};
use clap::Parser as _;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{publisher::Publisher, samples};

/// One replica.
pub struct Replica {
    pub running: Running,
    pub http: reqwest::Client,
}

impl Replica {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    pub fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.admin_address)
    }

    pub async fn post(&self, body: &Value) -> Answer {
        self.send(self.http.post(self.url("/api/v1/build")).json(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn state(&self, hash: &str) -> Answer {
        self.get(&format!("/api/v1/build/{hash}")).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let origins = headers.get_all("access-control-allow-origin").iter().count();
        assert_eq!(origins, 1, "exactly one CORS header on every answer");
        let bytes = response.bytes().await.unwrap().to_vec();
        let json: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status >= 400 && !bytes.is_empty() {
            assert_eq!(json["status"], status, "errors repeat their status: {json}");
            assert!(json["detail"].is_string(), "errors say what they are: {json}");
        }
        Answer { status, headers, bytes, json }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        until("the replica to be ready", async || {
            let answer = self.http.get(self.admin("/readyz")).send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn hash(&self) -> String {
        self.json["request_hash"].as_str().unwrap_or_else(|| panic!("{}", self.json)).to_owned()
    }
}

/// Looks until there is something, for 20 s.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    given::until(what, Duration::from_secs(20), look).await
}

/// Everything of one test.
pub struct World {
    world: given::World,
    /// The database with the operator's role.
    pub owner: PgStore,
    pub epoch: i64,
}

impl Deref for World {
    type Target = given::World;

    fn deref(&self) -> &given::World {
        &self.world
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut given::World {
        &mut self.world
    }
}

impl World {
    /// With a catalog of one version, target and distribution.
    pub async fn new() -> Self {
        Self::on(given::plane().await, TestDatabase::new().await.unwrap()).await
    }

    /// On servers of one's own.
    pub async fn on(plane: Arc<ControlPlane>, database: TestDatabase) -> Self {
        let owner = database.store().unwrap();
        let world = given::World::on(plane, database).await;
        let mut world = Self { world, owner, epoch: 0 };
        world
            .publish(&["24.10.7"], json!({"allowDefaults": true, "maxDefaultsLength": 1000}))
            .await;
        world
    }

    /// The same, with a replica that is ready.
    pub async fn with_replica() -> (Self, Replica) {
        let world = Self::new().await;
        let replica = world.replica().await;
        (world, replica)
    }

    /// Changes the catalog, as the operator does.
    pub async fn publish(&mut self, versions: &[&str], limits: Value) {
        self.publisher().publish(versions, limits).await;
        self.epoch = self.owner.raise_epoch().await.unwrap();
    }

    /// Changes the catalog to these versions, with this change of the distribution.
    pub async fn publish_with(
        &mut self,
        versions: &[&str],
        change: impl FnOnce(&mut DistributionSpec),
    ) {
        self.publisher().publish_with(versions, change).await;
        self.epoch = self.owner.raise_epoch().await.unwrap();
    }

    pub fn publisher(&self) -> Publisher<'_> {
        Publisher { world: &self.world }
    }

    pub fn settings(&self, more: &[&str]) -> Settings {
        let arguments = [
            "asu-api".to_owned(),
            format!("--namespace={}", self.namespace),
            format!("--database-url={}", self.database.api_url),
            format!("--store-url=file://{}", self.store.path().display()),
            "--listen=127.0.0.1:0".to_owned(),
            "--admin-listen=127.0.0.1:0".to_owned(),
        ];
        Settings::parse_from(
            arguments.into_iter().chain(more.iter().map(|&option| option.to_owned())),
        )
    }

    /// A replica that is ready.
    pub async fn replica(&self) -> Replica {
        self.ready_replica(&[]).await
    }

    /// A replica with more options that is ready.
    pub async fn ready_replica(&self, more: &[&str]) -> Replica {
        let replica = self.replica_with(self.client.clone(), more).await;
        replica.ready().await;
        replica
    }

    pub async fn replica_with(&self, client: Client, more: &[&str]) -> Replica {
        let running = start(self.settings(more), client).await.unwrap();
        Replica { running, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// A client of a user who may do this to FirmwareBuilds, and nothing else.
    pub async fn client_who_may(&self, user: &str, verbs: &str) -> Client {
        let namespace = self.namespace.as_str();
        let (verbs, who) = (format!("--verb={verbs}"), format!("--user={user}"));
        let (role, resource) = (format!("--role={user}"), "--resource=firmwarebuilds.asu.dev");
        for arguments in [
            ["create", "role", user, verbs.as_str(), resource],
            ["create", "rolebinding", user, role.as_str(), who.as_str()],
        ] {
            let arguments = [&["-n", namespace], arguments.as_slice()].concat();
            self.plane.kubectl(&arguments).await.unwrap();
        }
        self.plane.client_as(user).await.unwrap()
    }

    pub fn builds(&self) -> Api<FirmwareBuild> {
        self.api()
    }

    pub async fn objects(&self) -> Vec<FirmwareBuild> {
        self.builds().list(&ListParams::default()).await.unwrap().items
    }

    pub async fn object(&self, hash: &str) -> FirmwareBuild {
        let hash: RequestHash = hash.parse().unwrap();
        self.builds().get(&object_name(&hash)).await.unwrap()
    }

    /// What the operator does to the status of a build.
    pub async fn set_status(&self, hash: &str, holds: &[BuildCondition], stage: Option<&str>) {
        let name = object_name(&hash.parse().unwrap());
        let conditions: Vec<Value> = holds
            .iter()
            .map(|condition| {
                json!({"type": condition.as_str(), "status": "True", "reason": "Test",
                       "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
            })
            .collect();
        let patch = json!({"status": {"conditions": conditions, "stage": stage}});
        self.patch_status::<FirmwareBuild>(&name, &patch).await;
    }

    /// What the operator does when a build is archived: the finalizer goes.
    pub async fn release(&self, hash: &str) {
        let name = object_name(&hash.parse().unwrap());
        let patch = json!({"metadata": {"finalizers": null}});
        self.builds().patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Archives a build of [`request`] that ended so, and returns its hash.
    pub async fn stored(&self, ending: Ending) -> String {
        let hash = request_hash(&request()).to_string();
        self.archive("uid-1", &hash, ending).await;
        hash
    }

    /// Archives a build of the object of `hash`, with its files and log.
    pub async fn archive(&self, uid: &str, hash: &str, ending: Ending) -> NewArchive {
        self.archive_with(uid, hash, ending, |_| {}).await
    }

    pub async fn archive_with(
        &self,
        uid: &str,
        hash: &str,
        ending: Ending,
        change: impl FnOnce(&mut NewArchive),
    ) -> NewArchive {
        let hash: RequestHash = hash.parse().unwrap();
        if let Some(built) = ending.built() {
            self.put(
                &format!("artifacts/{}/{}", built.build_key, samples::IMAGE),
                samples::IMAGE_BYTES,
            );
        }
        self.put(&format!("logs/{uid}.zst"), &samples::zstd_of(samples::LOG));
        let mut archive = samples::archive(uid, &hash, request(), ending);
        change(&mut archive);
        self.owner.archive(&archive, self.epoch).await.unwrap();
        archive
    }
}

/// The canonical form of [`samples::body`].
pub fn request() -> Request {
    given::request("dev_a", &["vim", "luci"])
}
