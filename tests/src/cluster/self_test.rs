//! Self-test: checks that a local cluster has what the project's tests rely on, and that `down` removes everything.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::wait::{Look, until};
use super::{Cluster, ClusterConfig, Error, Reach, Snapshot, image, template};
use crate::progress::Progress;

const IMAGE: &str = "localhost/asu-self-test:local";
/// Time limit of a second run of `up`, which only checks.
const SECOND_RUN: Duration = Duration::from_mins(1);
/// Time limit; Kubernetes considers a node lost after 40 s without a heartbeat.
const LOST: Duration = Duration::from_mins(2);
const SOON: Duration = Duration::from_mins(1);

/// Brings a cluster up and down and checks everything. Returns the names of the checks. Other clusters must not be
/// brought up or down on this machine meanwhile.
pub async fn run(config: &ClusterConfig, progress: &Progress) -> Result<Vec<&'static str>, Error> {
    let before = Snapshot::take().await?;
    let (outside, reach) = outside().await?;
    let config = &ClusterConfig { reach: vec![reach], ..config.clone() };
    let result = shown(config, &before, progress).await;
    let down = Cluster::down_at(config, progress).await;
    outside.abort();
    let mut shown = result?;
    down?;
    clean(&before).await?;
    shown.push("taking a running cluster down leaves nothing behind");
    Ok(shown)
}

/// A server on this machine's loopback interface, and the host that pods use for it.
async fn outside() -> Result<(tokio::task::JoinHandle<()>, Reach), Error> {
    let listener =
        tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::io("127.0.0.1"))?;
    let target = listener.local_addr().map_err(Error::io("127.0.0.1"))?;
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Fails if the pod has closed the connection, which is fine.
            let _ = stream.write_all(b"from outside\n").await;
        }
    });
    let reach = Reach { host: "outside.example".to_owned(), port: 8099, target: Some(target) };
    Ok((server, reach))
}

async fn shown(
    config: &ClusterConfig,
    before: &Snapshot,
    progress: &Progress,
) -> Result<Vec<&'static str>, Error> {
    let mut shown = Vec::new();
    interrupted(config, before, progress).await?;
    shown.push("a run interrupted at any moment can be taken down");
    // `up` is interrupted once more, and then completed.
    let _ = tokio::time::timeout(Duration::from_secs(6), Cluster::up(config, progress)).await;
    let mut cluster = Cluster::up(config, progress).await?;
    shown.push("an interrupted run is finished by the next one");
    again(config, progress).await?;
    shown.push("a second run changes nothing and is quick");
    workload(&cluster, progress).await?;
    shown.push("volume, service and ingress lead to a pod");
    job(&cluster, "first", "node1").await?;
    shown.push("a restricted Job in a user namespace resolves names and reaches services");
    shown.push("of the hosts outside, a pod reaches the one that was named");
    let number = cluster.add_node(progress).await?;
    let node = format!("node{number}");
    job(&cluster, "second", &node).await?;
    shown.push("a second node runs pods that reach those of the first");
    cluster.stop_node(number).await?;
    progress.step("a node to be missed", ready_is(&cluster, &node, false)).await?;
    progress.step("a node to come back", cluster.start_node(number)).await?;
    ready_is(&cluster, &node, true).await?;
    job(&cluster, "third", &node).await?;
    shown.push("a lost node is noticed and comes back");
    Ok(shown)
}

/// Interrupts `up` at different times, and removes the incomplete cluster.
async fn interrupted(
    config: &ClusterConfig,
    before: &Snapshot,
    progress: &Progress,
) -> Result<(), Error> {
    for milliseconds in [300, 1500, 4000, 9000] {
        let after = Duration::from_millis(milliseconds);
        let _ = tokio::time::timeout(after, Cluster::up(config, &Progress::quiet())).await;
        Cluster::down_at(config, &Progress::quiet()).await?;
        clean(before).await?;
        progress.say(&format!("interrupted after {milliseconds} ms: nothing left"));
    }
    Ok(())
}

async fn clean(before: &Snapshot) -> Result<(), Error> {
    let left = before.leftovers().await?;
    if left.is_empty() { Ok(()) } else { Err(Error::Leftovers(left)) }
}

async fn again(config: &ClusterConfig, progress: &Progress) -> Result<(), Error> {
    let processes = super::process::Processes::new(config.paths()?.dir());
    let running = |processes: &super::process::Processes| -> Vec<Option<i32>> {
        processes.names().iter().map(|name| processes.pid(name)).collect()
    };
    let (started, before) = (Instant::now(), running(&processes));
    Cluster::up(config, progress).await?;
    if running(&processes) != before {
        return Err(failed("a second run of up started processes anew"));
    }
    if started.elapsed() > SECOND_RUN {
        return Err(failed("a second run of up took longer than a minute"));
    }
    Ok(())
}

async fn workload(cluster: &Cluster, progress: &Progress) -> Result<(), Error> {
    let context = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cluster/self-test-image");
    image::build(&context.join("Dockerfile"), &context, IMAGE, progress).await?;
    image::load(cluster, IMAGE, progress).await?;
    apply(cluster, include_str!("manifests/self-test.yaml"), &[("IMAGE", IMAGE)]).await?;
    cluster
        .kubectl(&["-n", "self-test", "rollout", "status", "deployment/web", "--timeout=120s"])
        .await?;
    let url = format!("{}//path", cluster.ingress_url());
    until("the ingress to lead to the pod", SOON, || async {
        let answer = match reqwest::get(&url).await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let expected = answer.starts_with("from the volume") && answer.contains("GET //path ");
        Ok(if expected { Look::Done(()) } else { Look::Missing(answer) })
    })
    .await
}

async fn job(cluster: &Cluster, name: &str, node: &str) -> Result<(), Error> {
    let values = [("IMAGE", IMAGE), ("JOB", name), ("NODE", node)];
    apply(cluster, include_str!("manifests/self-test-job.yaml"), &values).await?;
    let object = format!("job/{name}");
    until(&object, SOON, || async {
        let status = cluster
            .kubectl(&["-n", "self-test", "get", &object, "-o", "jsonpath={.status}"])
            .await?;
        if status.contains("\"failed\":") {
            let log = cluster.kubectl(&["-n", "self-test", "logs", &object]).await?;
            return Err(failed(&format!("{object} failed: {log}")));
        }
        Ok(if status.contains("\"succeeded\":1") { Look::Done(()) } else { Look::Missing(status) })
    })
    .await
}

async fn ready_is(cluster: &Cluster, node: &str, ready: bool) -> Result<(), Error> {
    let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    until(node, LOST, || async {
        let status = cluster.kubectl(&["get", "node", node, "-o", path]).await?;
        Ok(if (status == "True") == ready {
            Look::Done(())
        } else {
            Look::Missing(format!("Ready is {status}"))
        })
    })
    .await
}

async fn apply(cluster: &Cluster, manifest: &str, values: &[(&str, &str)]) -> Result<(), Error> {
    let file = cluster.paths.dir().join("self-test.yaml");
    template::write(&file, manifest, values)?;
    cluster.kubectl(&["apply", "-f", &file.to_string_lossy()]).await.map(drop)
}

fn failed(reason: &str) -> Error {
    Error::SelfTest(reason.to_owned())
}
