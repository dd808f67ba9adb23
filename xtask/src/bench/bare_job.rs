//! The baseline of `bench first-image`: a Job without the project's programs, which runs `make image` in a
//! copy of the same tree.

use std::time::{Duration, Instant};

use asu_tests::{deploy::NAMESPACE, scenario::System};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use serde_json::json;

use super::Error;

/// Path of the tree, and the settings of a pod for it.
#[derive(Debug)]
pub struct Place {
    claim: String,
    sub_path: String,
    image: String,
    public_url: String,
}

/// Durations of a bare Job.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Time from its creation until its condition `Complete` was seen.
    pub total: Duration,
    /// Part of it for copying the tree, which the link farm of builds avoids.
    pub copy: Duration,
}

/// Finds the tree of the fixture's small target.
///
/// # Errors
/// When no tree is ready.
pub async fn place(system: &System) -> Result<Place, Error> {
    let caches = system.caches().list(&ListParams::default()).await?;
    let small = caches.items.into_iter().find(|cache| cache.spec.target == "testarch/small");
    let status = small.and_then(|cache| cache.status);
    let found = status.and_then(|status| Some((status.place?, status.builder_image?)));
    let (place, image) = found
        .ok_or_else(|| Error::Missing("no ImageBuilderCache of testarch/small is ready".into()))?;
    let offers = system.router.ask(reqwest::Method::GET, "/json/v1/overview.json", None).await?;
    Ok(Place {
        claim: place.claim_name,
        sub_path: place.sub_path,
        image,
        public_url: offers.text("upstream_url").to_owned(),
    })
}

/// Runs one Job.
///
/// # Errors
/// When it fails, or takes more than five minutes.
pub async fn run(system: &System, place: &Place, number: u32) -> Result<Times, Error> {
    let name = format!("bench-bare-{number}");
    let job = job(&name, place)?;
    let jobs = system.jobs();
    let started = Instant::now();
    jobs.create(&PostParams::default(), &job).await?;
    let succeeded = system
        .until("the bare Job is complete", Duration::from_mins(5), || async {
            let status = jobs.get(&name).await?.status.unwrap_or_default();
            Ok(match (status.succeeded, status.failed) {
                (Some(1..), _) => Ok(true),
                (_, Some(1..)) => Ok(false),
                _ => Err(format!("{status:?}")),
            })
        })
        .await?;
    if !succeeded {
        return Err(Error::Missing(format!("the bare Job {name} failed; see its log")));
    }
    let total = started.elapsed();
    let copy = copied(system, &name).await?;
    jobs.delete(&name, &DeleteParams::background()).await?;
    Ok(Times { total, copy })
}

async fn copied(system: &System, job: &str) -> Result<Duration, Error> {
    let params = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pod: Pod = system
        .pods()
        .list(&params)
        .await?
        .items
        .pop()
        .ok_or_else(|| Error::Missing(format!("the pod of {job} is gone")))?;
    let name = pod.metadata.name.unwrap_or_default();
    let log = system.pods().logs(&name, &LogParams::default()).await?;
    let millis = log.lines().find_map(|line| line.strip_prefix("copy-ms ")?.parse().ok());
    Ok(Duration::from_millis(millis.unwrap_or_default()))
}

fn job(name: &str, place: &Place) -> Result<Job, Error> {
    let script = r#"set -eu
begin=$(date +%s%3N)
cp -a /asu/imagebuilder/tree /work/ib && cd /work/ib && mkdir -p tmp /work/out
sed -i "s|$PUBLIC|$MIRROR|" repositories.conf
echo "copy-ms $(($(date +%s%3N) - begin))"
unset PUBLIC MIRROR KUBERNETES_PORT HOSTNAME
exec env -i PATH="$PATH" HOME=/work LC_ALL=C TZ=UTC make image PROFILE=acme_router-b PACKAGES=fixture-hello BIN_DIR=/work/out
"#;
    let value = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": { "backoffLimit": 0, "template": { "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "make", "image": place.image, "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", script],
                "env": [
                    { "name": "PUBLIC", "value": place.public_url },
                    { "name": "MIRROR", "value": asu_tests::deploy::upstream::URL },
                ],
                "securityContext": {
                    "runAsUser": 2002, "runAsGroup": 2000, "runAsNonRoot": true,
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                },
                "volumeMounts": [
                    { "name": "ib", "mountPath": "/asu/imagebuilder", "subPath": place.sub_path, "readOnly": true },
                    { "name": "work", "mountPath": "/work" },
                ],
            }],
            "volumes": [
                { "name": "ib", "persistentVolumeClaim": { "claimName": place.claim } },
                { "name": "work", "emptyDir": {} },
            ],
        } } },
    });
    serde_json::from_value(value).map_err(|error| Error::Missing(error.to_string()))
}
