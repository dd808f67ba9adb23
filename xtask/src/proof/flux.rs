//! Flux in the cluster: its controllers, built from Go modules, and the objects that connect it with a
//! repository.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use asu_tests::{
    deploy::{self, Site},
    progress::Progress,
    toolchain::{Family, Toolchain, module_sources},
};
use serde_json::{Value, json};

use super::{Error, git_server};

/// Namespace of Flux.
pub(super) const NAMESPACE: &str = "flux-system";
/// Name of the GitRepository and of the Kustomization.
pub(super) const NAME: &str = "site";
/// Image with both controllers.
const IMAGE: &str = "localhost/asu-flux:proof";
/// The controllers, and the modules with their CustomResourceDefinitions.
const CONTROLLERS: [(&str, &str); 2] = [
    ("source-controller", "github.com/fluxcd/source-controller"),
    ("kustomize-controller", "github.com/fluxcd/kustomize-controller"),
];
/// Interval of Flux's looks at the repository and the cluster. Nothing is triggered by hand.
const INTERVAL: &str = "2s";
/// Time limit of Flux's health checks.
const HEALTHY_WITHIN: Duration = Duration::from_mins(2);

/// Builds the controllers and starts them.
///
/// # Errors
/// The step that failed.
pub(super) async fn install(site: &Site, progress: &Progress) -> Result<(), Error> {
    let toolchain = Toolchain::ensure(&[Family::Flux], progress).await?;
    let programs = toolchain.folder(Family::Flux).map(Path::to_owned).unwrap_or_default();
    let dockerfile = asu_tests::root().join("xtask/src/proof/flux.Dockerfile");
    site.provide(&dockerfile, &programs, IMAGE, progress).await?;
    for (_, module) in CONTROLLERS {
        let folder = definitions(module).await?;
        let folder = folder.to_string_lossy();
        site.kubectl(&["apply", "--server-side", "--filename", &folder]).await?;
    }
    for manifest in manifests() {
        deploy::apply(site, &manifest).await?;
    }
    for (name, _) in CONTROLLERS {
        let deployment = format!("deployment/{name}");
        let wait = ["rollout", "status", "--namespace", NAMESPACE, &deployment, "--timeout=180s"];
        progress.step(&format!("start {name}"), site.kubectl(&wait)).await?;
    }
    Ok(())
}

/// Folder with the CustomResourceDefinitions of a controller.
async fn definitions(module: &str) -> Result<PathBuf, Error> {
    Ok(module_sources(Family::Flux, module).await?.join("config/crd/bases"))
}

fn manifests() -> Vec<Value> {
    let account = json!({ "kind": "ServiceAccount", "name": "flux", "namespace": NAMESPACE });
    let mut manifests = vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "flux", "namespace": NAMESPACE },
        }),
        // As in Flux's own installation.
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "flux" },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [account],
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "source-controller", "namespace": NAMESPACE },
            "spec": {
                "selector": { "app": "source-controller" },
                "ports": [{ "port": 80, "targetPort": 9090 }],
            },
        }),
    ];
    let address = format!("source-controller.{NAMESPACE}.svc.cluster.local.");
    let storage = ["--storage-path=/data".to_owned(), format!("--storage-adv-addr={address}")];
    manifests.push(controller("source-controller", &storage));
    manifests.push(controller("kustomize-controller", &[]));
    manifests
}

fn controller(name: &str, arguments: &[String]) -> Value {
    let labels = json!({ "app": name });
    let mut all = vec!["--watch-all-namespaces".to_owned(), "--log-level=info".to_owned()];
    all.extend_from_slice(arguments);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "serviceAccountName": "flux",
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 1337,
                    },
                    "containers": [{
                        "name": "manager", "image": IMAGE, "imagePullPolicy": "Never",
                        "command": [format!("/{name}")], "args": all,
                        "env": [{
                            "name": "RUNTIME_NAMESPACE",
                            "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } },
                        }],
                        "readinessProbe": {
                            "httpGet": { "path": "/readyz", "port": 9440 }, "periodSeconds": 1,
                        },
                        "volumeMounts": [
                            { "name": "data", "mountPath": "/data" },
                            { "name": "tmp", "mountPath": "/tmp" },
                        ],
                    }],
                    "volumes": [
                        { "name": "data", "emptyDir": {} },
                        { "name": "tmp", "emptyDir": {} },
                    ],
                },
            },
        },
    })
}

/// Makes Flux apply a folder of the repository, as the examples of docs/gitops.md do.
///
/// # Errors
/// kubectl's error.
pub(super) async fn follow(site: &Site, folder: &str) -> Result<(), Error> {
    let metadata = json!({ "name": NAME, "namespace": NAMESPACE });
    let source = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": metadata,
        "spec": {
            "interval": INTERVAL, "url": git_server::URL, "ref": { "branch": git_server::BRANCH },
        },
    });
    let kustomization = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": metadata,
        "spec": {
            "interval": INTERVAL, "retryInterval": INTERVAL,
            "timeout": format!("{}s", HEALTHY_WITHIN.as_secs()),
            "path": folder, "prune": true, "wait": true,
            "sourceRef": { "kind": "GitRepository", "name": NAME },
        },
    });
    deploy::apply(site, &source).await?;
    deploy::apply(site, &kustomization).await?;
    Ok(())
}
