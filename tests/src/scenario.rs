//! What a scenario on the deployed system needs: clients of every side, and waiting for conditions.

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
use tokio::time::Instant;

use crate::{
    deploy::{self, NAMESPACE, Site},
    fixtures::{Faults, Logged},
    router::{self, Answer, Router},
};

pub use faults::Workload;
pub use outcome::{Ended, Row, WITHIN, condition_of};

/// Name of the cluster that scenarios run on, when `ASU_TEST_CLUSTER` does not say another.
pub const CLUSTER: &str = "test";

/// Why a scenario could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster or the charts.
    #[error(transparent)]
    Deploy(#[from] deploy::Error),
    /// The API.
    #[error(transparent)]
    Router(#[from] router::Error),
    /// The API server.
    #[error("Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// A condition did not come true.
    #[error("after {} s {what} is not so: {missing}", .after.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// What was seen last.
        missing: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The control path of the upstream fixture.
    #[error("upstream fixture: {0}")]
    Upstream(String),
    /// One replica of the API.
    #[error("replica {0}: {1}")]
    Replica(String, String),
    /// A claim whose volume is no folder of this machine.
    #[error("the claim {0} has no folder on this machine")]
    Volume(String),
    /// The processes of this machine.
    #[error("/proc: {0}")]
    Processes(std::io::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

/// The deployed system, seen from all sides.
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
    /// There is no such cluster.
    pub async fn attach() -> Result<Self, Error> {
        let name = std::env::var("ASU_TEST_CLUSTER").unwrap_or_else(|_| CLUSTER.to_owned());
        let site = Site::attach(&name).await?;
        let client = site.client().await?;
        let router = Router::new(&site.url().await?);
        Ok(Self { site, client, router })
    }

    /// A request that no other test made: it removes a package that does not exist, which changes
    /// the hash and nothing else.
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

    /// The FirmwareBuild of an answer's request hash, if the object is still there.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn build_of(&self, answer: &Answer) -> Result<Option<FirmwareBuild>, Error> {
        let hash = answer.text("request_hash");
        let params = ListParams::default().fields(&format!("spec.requestHash={hash}"));
        Ok(self.builds().list(&params).await?.items.pop())
    }

    /// Waits until `look` finds something; `look` says what is missing meanwhile.
    ///
    /// # Errors
    /// What was missing when the time was over.
    pub async fn until<T, F>(
        &self,
        what: &str,
        after: Duration,
        mut look: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, String>, Error>>,
    {
        let started = Instant::now();
        loop {
            let missing = match look().await? {
                Ok(found) => return Ok(found),
                Err(missing) => missing,
            };
            if started.elapsed() > after {
                return Err(Error::Deadline { what: what.to_owned(), missing, after });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the build of an answer satisfies `test`.
    ///
    /// # Errors
    /// The status it had when the time was over.
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

    /// Sets the faults of the upstream fixture; the default is none.
    ///
    /// # Errors
    /// The fixture did not answer.
    pub async fn set_faults(&self, faults: &Faults) -> Result<(), Error> {
        let body = serde_json::to_vec(faults).map_err(|e| Error::Upstream(e.to_string()))?;
        self.control(http::Method::PUT, "", body).await.map(drop)
    }

    /// No faults, and an empty request log.
    ///
    /// # Errors
    /// The fixture did not answer.
    pub async fn reset_faults(&self) -> Result<(), Error> {
        self.control(http::Method::DELETE, "", vec![]).await.map(drop)
    }

    /// What the upstream fixture was asked for since the last reset.
    ///
    /// # Errors
    /// The fixture did not answer.
    pub async fn upstream_requests(&self) -> Result<Vec<Logged>, Error> {
        let text = self.control(http::Method::GET, "/requests", vec![]).await?;
        serde_json::from_str(&text).map_err(|e| Error::Upstream(e.to_string()))
    }

    /// The control path, by way of the API server's proxy: the pod has no address on this machine.
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
