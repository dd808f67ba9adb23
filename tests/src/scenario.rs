//! Helpers for scenarios on the deployed system: clients for the API, Kubernetes and the fixture, and
//! waiting for conditions. Used by the tests of the cluster level.

mod faults;
mod outcome;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use asu_crds::{FirmwareBuild, ImageBuilderCache};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};

use crate::{
    deploy::{self, NAMESPACE, Site},
    fixtures::{Faults, Logged},
    router::{self, Answer, Router},
};

pub use faults::Workload;
pub use outcome::{Ended, Row, WITHIN, condition_of};

/// Name of the cluster for scenarios, unless `ASU_TEST_CLUSTER` is set.
pub const CLUSTER: &str = "test";
/// Interval of the looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a scenario could not continue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster or the charts could not be used.
    #[error(transparent)]
    Deploy(#[from] deploy::Error),
    /// A request to the API failed.
    #[error(transparent)]
    Router(#[from] router::Error),
    /// A request to the API server failed.
    #[error("Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// A condition did not become true in time.
    #[error("after {} s {what} is not so: {missing}", .after.as_secs())]
    Deadline {
        /// The condition.
        what: String,
        /// What was missing at the end.
        missing: String,
        /// The time limit.
        after: Duration,
    },
    /// A request to the control path of the upstream fixture failed.
    #[error("upstream fixture: {0}")]
    Upstream(String),
    /// A request to a single replica of the API failed.
    #[error("replica {0}: {1}")]
    Replica(String, String),
    /// The volume of a claim is not a folder of this machine.
    #[error("the claim {0} has no folder on this machine")]
    Volume(String),
    /// The processes of this machine could not be read.
    #[error("/proc: {0}")]
    Processes(std::io::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

/// The deployed system, with clients for all its parts.
pub struct System {
    /// Where it runs.
    pub site: Site,
    /// Administrator's client of the API server.
    pub client: Client,
    /// A router's client, through the ingress.
    pub router: Router,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

impl System {
    /// The system that `cargo xtask test` deployed.
    ///
    /// # Errors
    /// When the cluster does not exist.
    pub async fn attach() -> Result<Self, Error> {
        let name = std::env::var("ASU_TEST_CLUSTER").unwrap_or_else(|_| CLUSTER.to_owned());
        let site = Site::attach(&name).await?;
        let client = site.client().await?;
        let router = Router::new(&site.url().await?);
        Ok(Self { site, client, router })
    }

    /// A request with a hash that no other test uses: it removes a package that does not exist, which
    /// changes nothing but the hash.
    pub fn request(&self, packages: &[&str]) -> Value {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let marker = format!("-unique-{}-{serial}", std::process::id());
        let mut packages: Vec<&str> = packages.to_vec();
        packages.push(&marker);
        json!({
            "version": "24.10.7",
            "target": "testarch/small",
            "profile": "acme_router-b",
            "packages": packages,
        })
    }

    /// FirmwareBuilds.
    pub fn builds(&self) -> Api<FirmwareBuild> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// ImageBuilderCaches.
    pub fn caches(&self) -> Api<ImageBuilderCache> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Pods of the system and its builds.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Jobs of the system.
    pub fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The FirmwareBuild with an answer's request hash, if the object still exists.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn build_of(&self, answer: &Answer) -> Result<Option<FirmwareBuild>, Error> {
        let hash = answer.text("request_hash");
        let params = ListParams::default().fields(&format!("spec.requestHash={hash}"));
        Ok(self.builds().list(&params).await?.items.pop())
    }

    /// Waits until `look` returns a value. Until then it returns what is missing.
    ///
    /// # Errors
    /// What was missing at the time limit.
    pub async fn until<T, F>(
        &self,
        what: &str,
        after: Duration,
        look: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, String>, Error>>,
    {
        crate::wait::until(after, LOOK_AGAIN, look).await?.map_err(|missing| Error::Deadline {
            what: what.to_owned(),
            missing,
            after,
        })
    }

    /// Waits until the build of an answer satisfies `test`.
    ///
    /// # Errors
    /// The build's status at the time limit.
    pub async fn until_build(
        &self,
        what: &str,
        answer: &Answer,
        after: Duration,
        test: impl Fn(&FirmwareBuild) -> bool,
    ) -> Result<FirmwareBuild, Error> {
        self.until(what, after, || async {
            Ok(match self.build_of(answer).await? {
                Some(build) if test(&build) => Ok(build),
                Some(build) => Err(format!("{:?}", build.status)),
                None => Err("there is no such FirmwareBuild".to_owned()),
            })
        })
        .await
    }

    /// Sets the faults of the upstream fixture; the default value has none.
    ///
    /// # Errors
    /// When the fixture does not answer.
    pub async fn set_faults(&self, faults: &Faults) -> Result<(), Error> {
        let body = serde_json::to_vec(faults).map_err(|e| Error::Upstream(e.to_string()))?;
        self.control(http::Method::PUT, "", body).await.map(drop)
    }

    /// Removes all faults, and clears the request log.
    ///
    /// # Errors
    /// When the fixture does not answer.
    pub async fn reset_faults(&self) -> Result<(), Error> {
        self.control(http::Method::DELETE, "", vec![]).await.map(drop)
    }

    /// Requests to the upstream fixture since the last reset.
    ///
    /// # Errors
    /// When the fixture does not answer.
    pub async fn upstream_requests(&self) -> Result<Vec<Logged>, Error> {
        let text = self.control(http::Method::GET, "/requests", vec![]).await?;
        serde_json::from_str(&text).map_err(|e| Error::Upstream(e.to_string()))
    }

    /// Calls the control path through the API server's proxy, because the pod has no address on this
    /// machine.
    async fn control(
        &self,
        method: http::Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<String, Error> {
        let namespace = deploy::upstream::NAMESPACE;
        let uri =
            format!("/api/v1/namespaces/{namespace}/services/upstream:80/proxy/_control{path}");
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json")
            .body(body)
            .map_err(|e| Error::Upstream(e.to_string()))?;
        Ok(self.client.request_text(request).await?)
    }
}
