//! Runs the fixture's download server as a pod of the cluster.

use serde_json::json;

use super::{Error, Site, apply};
use crate::{fixtures::World, progress::Progress, toolchain::cache_dir};

/// Namespace of the download server.
pub const NAMESPACE: &str = "upstream";
/// Base URL of the download server inside the cluster.
pub const URL: &str = "http://upstream.upstream.svc.cluster.local";
/// Port on which its pod listens.
pub(super) const PORT: u16 = 8080;

/// Generates the world of all package generations, builds the server's image, and deploys it. Waits until the
/// server is ready.
pub(super) async fn install(site: &Site, progress: &Progress) -> Result<World, Error> {
    let folder = cache_dir();
    let world = progress
        .step("make the upstream fixture", async move {
            tokio::task::spawn_blocking(move || World::ensure_all(&folder))
                .await
                .map_err(|error| std::io::Error::other(error.to_string()))
                .map_err(|source| Error::Io { path: "fixture".into(), source })?
                .map_err(Error::from)
        })
        .await?;
    let dockerfile = crate::root().join("tests/fixtures/upstream.Dockerfile");
    let tag: String = world.source_hash.chars().take(16).collect();
    let image = format!("{}/asu-fixture-upstream:{tag}", site.registry());
    site.provide(&dockerfile, &world.dir, &image, progress).await?;
    for manifest in manifests(&world.source_hash, &image) {
        apply(site, &manifest).await?;
    }
    let wait =
        ["rollout", "status", "--namespace", NAMESPACE, "deployment/upstream", "--timeout=120s"];
    let rollout = site.kubectl(&wait);
    progress.step("start the upstream fixture", rollout).await?;
    Ok(world)
}

fn manifests(world: &str, image: &str) -> Vec<serde_json::Value> {
    let labels = json!({ "app": "upstream" });
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "upstream", "namespace": NAMESPACE },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels, "annotations": { "world": world } },
                    "spec": {
                        "automountServiceAccountToken": false,
                        "containers": [{
                            "name": "upstream", "image": image, "imagePullPolicy": "IfNotPresent",
                            "ports": [{ "containerPort": PORT }],
                            "readinessProbe": {
                                "httpGet": { "path": "/.versions.json", "port": PORT },
                                "periodSeconds": 1,
                            },
                        }],
                    },
                },
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "upstream", "namespace": NAMESPACE },
            "spec": { "selector": labels, "ports": [{ "port": 80, "targetPort": PORT }] },
        }),
    ]
}
