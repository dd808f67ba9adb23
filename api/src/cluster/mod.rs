//! Watches, reads and creates FirmwareBuilds. It also creates the Secrets of first-boot scripts, but
//! never reads them. Other objects are not accessed.

mod create;
pub(crate) mod entry;
mod hash_locks;
mod index;
mod recent;
mod secret;
mod watch;

use std::{future::Future, sync::Arc, time::Duration};

use asu_crds::FirmwareBuild;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

pub use create::{Created, NewBuild};
pub use entry::{Entry, SeenBuild, TurnedAway};
pub use watch::{Reservation, Watch};

use crate::error::{ApiError, CLUSTER};

/// Maximum time to wait for an answer of the API server.
const CALL: Duration = Duration::from_secs(10);
/// Maximum number of concurrent reads of objects, so that clients that try random hashes do not load
/// the API server.
const READS_AT_A_TIME: usize = 32;

/// The client of the Kubernetes API.
#[derive(Clone)]
pub struct Cluster {
    builds: Api<FirmwareBuild>,
    seen: Api<SeenBuild>,
    secrets: Api<Secret>,
    hash_locks: Arc<hash_locks::HashLocks>,
    reads: Arc<Semaphore>,
    /// The builds from the watch, and those that this process created or read just now.
    pub watch: Arc<Watch>,
}

impl Cluster {
    /// A client of one namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            builds: Api::namespaced(client.clone(), namespace),
            seen: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
            hash_locks: Arc::default(),
            reads: Arc::new(Semaphore::new(READS_AT_A_TIME)),
            watch: Arc::default(),
        }
    }

    /// Watches the FirmwareBuilds until the future is dropped.
    pub async fn follow(&self) {
        self.watch.follow(self.seen.clone()).await;
    }
}

/// Calls the API server, with a time limit.
async fn call<T>(
    what: &'static str,
    future: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failed> {
    let span = tracing::debug_span!("kubernetes", what);
    match tokio::time::timeout(CALL, future).instrument(span).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Failed::Conflict),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(Failed::NotFound),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 422) => {
            tracing::error!(what, message = status.message, "the API server rejects the object");
            Err(Failed::Refused)
        }
        Ok(Err(error)) => {
            tracing::warn!(what, %error, "a request to the API server failed");
            Err(Failed::Away)
        }
        Err(_) => {
            tracing::warn!(what, seconds = CALL.as_secs(), "the API server did not answer in time");
            Err(Failed::Away)
        }
    }
}

/// How a call of the API server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Conflict,
    NotFound,
    Refused,
    Away,
}

impl From<Failed> for ApiError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused => Self::Internal,
            Failed::Conflict | Failed::NotFound | Failed::Away => Self::Away(CLUSTER),
        }
    }
}
