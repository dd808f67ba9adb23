//! The chart on a real API server: objects are made, nothing runs.

use asu_tests::cluster::ControlPlane;
use serde_json::{Value, json};

use crate::render::{documents, helm, kind, pods, text};

const NAMESPACE: &str = "asu";

/// A control plane with the namespace as operators should make it.
async fn plane() -> ControlPlane {
    let plane = ControlPlane::start().await.unwrap();
    plane.kubectl(&["create", "namespace", NAMESPACE]).await.unwrap();
    let level = "pod-security.kubernetes.io/enforce=restricted";
    plane.kubectl(&["label", "namespace", NAMESPACE, level]).await.unwrap();
    plane
}

async fn release(plane: &ControlPlane, verb: &[&str], values: &Value) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let (values, kubeconfig) = (file.path().to_str().unwrap(), plane.kubeconfig_path());
    let chart = asu_tests::root().join("charts/asu");
    let mut arguments = verb.to_vec();
    arguments.extend(["asu", chart.to_str().unwrap(), "--values", values]);
    arguments.extend(["--namespace", NAMESPACE, "--kubeconfig", kubeconfig.to_str().unwrap()]);
    helm(&arguments).await
}

async fn uninstall(plane: &ControlPlane) {
    let kubeconfig = plane.kubeconfig_path();
    let kubeconfig = kubeconfig.to_str().unwrap();
    helm(&["uninstall", "asu", "--namespace", NAMESPACE, "--kubeconfig", kubeconfig])
        .await
        .unwrap();
}

async fn get(plane: &ControlPlane, what: &[&str]) -> String {
    let arguments = [&["get", "--namespace", NAMESPACE, "--output", "name"], what].concat();
    plane.kubectl(&arguments).await.unwrap()
}

async fn passwords(plane: &ControlPlane) -> String {
    let path = "jsonpath={.data}";
    plane
        .kubectl(&["get", "--namespace", NAMESPACE, "secret", "asu-postgres", "--output", path])
        .await
        .unwrap()
}

#[tokio::test]
async fn passwords_and_data_survive_upgrade_and_uninstall() {
    let plane = plane().await;
    release(&plane, &["install"], &json!({})).await.unwrap();
    let (first, job) = (passwords(&plane).await, get(&plane, &["job"]).await);
    assert!(first.contains("api-password"), "{first}");

    release(&plane, &["upgrade"], &json!({ "api": { "replicas": 3 } })).await.unwrap();
    assert_eq!(passwords(&plane).await, first, "an upgrade changed the passwords");
    assert_eq!(get(&plane, &["job"]).await, job, "nothing of the migration changed");

    release(&plane, &["upgrade"], &json!({ "images": { "tag": "next" } })).await.unwrap();
    let next = get(&plane, &["job"]).await;
    assert_ne!(next, job, "another program needs another migration");
    assert_eq!(next.lines().count(), 1, "the old Job stayed: {next}");

    uninstall(&plane).await;
    let left =
        get(&plane, &["deployment,statefulset,job,service,pvc,secret,role,ingress,networkpolicy"])
            .await;
    let mut left: Vec<_> = left.lines().collect();
    left.sort_unstable();
    assert_eq!(left, ["persistentvolumeclaim/asu-store", "secret/asu-postgres"]);
    assert_eq!(get(&plane, &["crd"]).await.lines().count(), 3);

    release(&plane, &["install"], &json!({})).await.unwrap();
    assert_eq!(passwords(&plane).await, first, "a second install could not open the old database");
}

#[tokio::test]
async fn a_namespace_with_the_restricted_standard_admits_every_pod() {
    let plane = plane().await;
    let rendered = documents(&text("asu", &json!({})).await.unwrap());
    for (name, pod) in pods(&rendered) {
        let mut spec = pod["spec"].clone();
        if name == "asu-postgres" {
            // What a StatefulSet adds for its claim.
            let volumes = spec["volumes"].as_array_mut().unwrap();
            volumes.push(json!({ "name": "data", "emptyDir": {} }));
        }
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": pod["metadata"]["labels"] },
            "spec": spec,
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pod.to_string()).unwrap();
        let path = file.path().to_str().unwrap();
        plane.kubectl(&["create", "--dry-run=server", "--filename", path]).await.unwrap();
    }
}

/// The API server knows every field of every object, and takes it.
#[tokio::test]
async fn the_manifests_can_be_applied_as_they_are() {
    for variant in ["install", "ha"] {
        let plane = ControlPlane::start().await.unwrap();
        let path = asu_tests::root().join(format!("manifests/{variant}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.to_str().unwrap();
        let arguments =
            ["apply", "--server-side", "--validate=strict", "--output", "name", "--filename", path];
        let applied = plane.kubectl(&arguments).await.unwrap();
        let objects = documents(&text);
        assert!(objects.iter().all(|object| kind(object) != "Secret"));
        assert_eq!(applied.lines().count(), objects.len(), "{variant}");
    }
}

#[tokio::test]
async fn the_chart_of_distributions_installs_after_the_system() {
    let plane = plane().await;
    release(&plane, &["install"], &json!({})).await.unwrap();
    plane
        .kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])
        .await
        .unwrap();
    let (chart, kubeconfig) =
        (asu_tests::root().join("charts/asu-distributions"), plane.kubeconfig_path());
    let chart = chart.to_str().unwrap();
    let arguments = ["install", "asu-distributions", chart, "--namespace", NAMESPACE];
    let kubeconfig = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    helm(&[&arguments[..], &kubeconfig].concat()).await.unwrap();
    assert_eq!(get(&plane, &["asu"]).await.trim(), "distribution.asu.dev/openwrt");
}
