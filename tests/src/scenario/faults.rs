//! Injects faults into the deployed system: scales workloads to zero, kills processes, reads the
//! database and volumes. Used by scenarios.

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use futures::FutureExt as _;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{PersistentVolume, PersistentVolumeClaim, Pod},
};
use kube::{Api, ResourceExt, api::ListParams, client::Body};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Error, System, WITHIN};
use crate::{
    deploy::{NAMESPACE, RELEASE},
    router::Answer,
};

/// Length of an object's uid.
const UID_LENGTH: usize = 36;

/// A workload that can be scaled to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// The operator, with both replicas.
    Operator,
    /// The API, with both replicas.
    Api,
    /// The bundled database.
    Postgres,
}

impl Workload {
    fn component(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Api => "api",
            Self::Postgres => "postgres",
        }
    }

    fn object(self) -> String {
        let kind = if self == Self::Postgres { "statefulset" } else { "deployment" };
        format!("{kind}/{RELEASE}-{}", self.component())
    }

    fn replicas(self) -> u32 {
        if self == Self::Postgres { 1 } else { 2 }
    }
}

impl System {
    /// Pods of a workload.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn pods_of(&self, workload: Workload) -> Result<Vec<Pod>, Error> {
        let component = workload.component();
        let selector =
            format!("app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}");
        Ok(self.pods().list(&ListParams::default().labels(&selector)).await?.items)
    }

    /// Stops a workload while `body` runs, and starts it again also when `body` fails.
    ///
    /// # Errors
    /// When it does not stop or does not start again.
    pub async fn without<T>(
        &self,
        workload: Workload,
        body: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let gone = self.take_away(workload).await;
        let outcome = AssertUnwindSafe(async {
            gone?;
            Ok(body.await)
        })
        .catch_unwind()
        .await;
        self.bring_back(workload).await?;
        match outcome {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    async fn take_away(&self, workload: Workload) -> Result<(), Error> {
        self.scale(workload, 0).await?;
        self.until("its pods are gone", WITHIN, || async {
            let left = self.pods_of(workload).await?;
            Ok(if left.is_empty() { Ok(()) } else { Err(names(&left)) })
        })
        .await
    }

    async fn bring_back(&self, workload: Workload) -> Result<(), Error> {
        self.scale(workload, workload.replicas()).await?;
        let object = workload.object();
        let wait = ["rollout", "status", "-n", NAMESPACE, &object, "--timeout=240s"];
        self.site.kubectl(&wait).await?;
        Ok(())
    }

    async fn scale(&self, workload: Workload, replicas: u32) -> Result<(), Error> {
        let replicas = format!("--replicas={replicas}");
        self.site.kubectl(&["scale", "-n", NAMESPACE, &workload.object(), &replicas]).await?;
        Ok(())
    }

    /// Runs a query in the database's pod. Returns one line for each row, with fields separated by `|`.
    ///
    /// # Errors
    /// psql's error.
    pub async fn sql(&self, query: &str) -> Result<String, Error> {
        let object = Workload::Postgres.object();
        let psql =
            ["psql", "-U", "asu", "-d", "asu", "-qtAX", "-v", "ON_ERROR_STOP=1", "-c", query];
        let mut arguments = vec!["exec", "-n", NAMESPACE, &object, "--"];
        arguments.extend(psql);
        Ok(self.site.kubectl(&arguments).await?)
    }

    /// The pod of the operator that is the leader.
    ///
    /// # Errors
    /// When the API server does not answer, or no operator becomes the leader in time.
    pub async fn leader(&self) -> Result<Pod, Error> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        self.until("an operator leads", WITHIN, || async {
            let lease = leases.get_opt(&format!("{RELEASE}-operator")).await?;
            let holder = lease.and_then(|lease| lease.spec).and_then(|spec| spec.holder_identity);
            let Some(holder) = holder else { return Ok(Err("nobody holds the Lease".to_owned())) };
            let pods = self.pods_of(Workload::Operator).await?;
            let found = pods.into_iter().find(|pod| holder.starts_with(&pod.name_any()));
            Ok(found.ok_or_else(|| format!("{holder} holds the Lease and is no pod")))
        })
        .await
    }

    /// Sends SIGKILL to the processes of a pod. Returns their number.
    ///
    /// # Errors
    /// When the processes of this machine cannot be read.
    pub fn kill(&self, pod: &Pod) -> Result<usize, Error> {
        // With an empty uid every process would match.
        let Some(uid) = pod.uid().filter(|uid| uid.len() == UID_LENGTH) else { return Ok(0) };
        let processes = processes_of(&uid)?;
        let killed = processes.into_iter().filter(|pid| kill_process(*pid, Signal::KILL).is_ok());
        Ok(killed.count())
    }

    /// Sends a request to a single replica of the API, not through ingress and Service.
    ///
    /// # Errors
    /// When the API server's proxy does not answer, or not with JSON.
    pub async fn ask_pod(
        &self,
        pod: &str,
        method: http::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let uri = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy{path}");
        let bad = |error: String| Error::Replica(pod.to_owned(), error);
        let body = body.map(|body| Body::from(body.to_string().into_bytes()));
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json")
            .body(body.unwrap_or_else(Body::empty))
            .map_err(|error| bad(error.to_string()))?;
        let response = self.client.send(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect_bytes().await?;
        let body = serde_json::from_slice(&bytes).map_err(|error| {
            bad(format!("{status}, {error}: {}", String::from_utf8_lossy(&bytes)))
        })?;
        Ok(Answer { status, body, headers })
    }

    /// Relative paths of all files on a claim's volume, which is a folder of this machine.
    ///
    /// # Errors
    /// When the claim has no such volume.
    pub async fn files_of_claim(&self, claim: &str) -> Result<Vec<String>, Error> {
        let folder = self.folder_of_claim(claim).await?;
        let mut found = Vec::new();
        list(&folder, "", &mut found).map_err(|_| Error::Volume(claim.to_owned()))?;
        Ok(found)
    }

    /// The folder of this machine that is a claim's volume.
    ///
    /// # Errors
    /// When the claim has no such volume.
    pub async fn folder_of_claim(&self, claim: &str) -> Result<PathBuf, Error> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), NAMESPACE);
        let missing = || Error::Volume(claim.to_owned());
        let bound = claims.get(claim).await?.spec.and_then(|spec| spec.volume_name);
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        let volume = volumes.get(&bound.ok_or_else(missing)?).await?;
        let spec = volume.spec.ok_or_else(missing)?;
        let host = spec
            .host_path
            .map(|host_path| host_path.path)
            .or_else(|| spec.local.map(|local| local.path));
        host.map(PathBuf::from).ok_or_else(missing)
    }
}

fn names(pods: &[Pod]) -> String {
    pods.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", ")
}

/// Processes in the cgroups of a pod, without the pause process.
fn processes_of(uid: &str) -> Result<Vec<Pid>, Error> {
    let group = format!("pod{uid}");
    let escaped = group.replace('-', "_");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(Error::Processes)?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name));
        // The process may exit meanwhile.
        let (Ok(cgroup), Ok(command)) = (read("cgroup"), read("comm")) else { continue };
        let inside = cgroup.contains(&group) || cgroup.contains(&escaped);
        if inside && command.trim() != "pause" {
            found.extend(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), found)?;
        }
        found.push(name);
    }
    Ok(())
}
