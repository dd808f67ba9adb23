//! Pods: how they are confined and where they run.

use serde_json::{Value, json};

use crate::render::{everything, external, find, kind, of_kind, pods, system, texts};

/// What Pod Security "restricted" demands, and a root that nobody writes to.
fn assert_restricted(name: &str, spec: &Value) {
    let pod = &spec["securityContext"];
    assert_eq!(pod["runAsNonRoot"], json!(true), "{name}");
    assert!(pod["runAsUser"].as_u64().is_some_and(|uid| uid > 0), "{name}");
    // containerd refuses a group without a user.
    assert!(pod["runAsGroup"].as_u64().is_some_and(|gid| gid > 0), "{name}");
    assert_eq!(pod["seccompProfile"]["type"], json!("RuntimeDefault"), "{name}");
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(spec[field].is_null(), "{name}: {field}");
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        assert!(volume["hostPath"].is_null(), "{name}: {volume}");
    }
    for container in spec["containers"].as_array().unwrap() {
        let expected = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container["securityContext"], expected, "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name} is not bounded");
    }
}

#[tokio::test]
async fn every_pod_is_confined() {
    for values in [json!({}), everything(), external()] {
        let objects = system(values).await;
        let pods = pods(&objects);
        assert!(pods.len() >= 4);
        for (name, pod) in pods {
            assert_restricted(&name, &pod["spec"]);
        }
    }
}

#[tokio::test]
async fn operator_and_api_write_and_read_the_store_as_their_own_users() {
    let objects = system(json!({})).await;
    for (name, uid, read_only) in [("asu-operator", 2002, false), ("asu-api", 2003, true)] {
        let spec = &find(&objects, "Deployment", name)["spec"]["template"]["spec"];
        assert_eq!(spec["securityContext"]["runAsUser"], json!(uid));
        assert_eq!(spec["securityContext"]["runAsGroup"], json!(2000));
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        let store = mounts.iter().find(|mount| mount["mountPath"] == "/asu/store").unwrap();
        assert_eq!(store["readOnly"].as_bool().unwrap_or(false), read_only);
    }
}

#[tokio::test]
async fn only_operator_and_api_can_reach_the_api_server() {
    let objects = system(json!({})).await;
    for (name, pod) in pods(&objects) {
        let trusted = name == "asu-operator" || name == "asu-api";
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
        assert_eq!(account, if trusted { name.as_str() } else { "asu-plain" });
        assert_eq!(pod["spec"]["automountServiceAccountToken"] != json!(false), trusted, "{name}");
    }
}

#[tokio::test]
async fn probes_use_the_port_that_no_ingress_exposes() {
    let objects = system(json!({})).await;
    for name in ["asu-operator", "asu-api"] {
        let container =
            &find(&objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0];
        for (probe, path) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(container[probe]["httpGet"], json!({ "path": path, "port": "admin" }));
        }
        let ports = container["ports"].as_array().unwrap();
        assert!(ports.contains(&json!({ "name": "admin", "containerPort": 8081 })));
    }
}

/// The value of the label by which the pods of a one-node system find each other.
fn store_node(pod: &Value) -> Option<&str> {
    pod["metadata"]["labels"]["asu.dev/store-node"].as_str()
}

fn colocate(objects: &[Value]) -> Option<String> {
    let operator = find(objects, "Deployment", "asu-operator");
    operator["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == "ASU_COLOCATE")
        .map(|variable| variable["value"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_one_node_store_requires_its_pods_on_one_node() {
    let objects = system(json!({ "store": { "accessMode": "ReadWriteOnce" } })).await;
    for name in ["asu-operator", "asu-api"] {
        let pod = &find(&objects, "Deployment", name)["spec"]["template"];
        let term = &pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            [0];
        assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
        assert_eq!(term["labelSelector"]["matchLabels"], json!({ "asu.dev/store-node": "asu" }));
        assert_eq!(
            store_node(pod),
            Some("asu"),
            "a pod that does not match its own term never starts"
        );
    }
    assert_eq!(colocate(&objects).as_deref(), Some("asu.dev/store-node=asu"));
}

#[tokio::test]
async fn a_many_node_store_requires_no_node() {
    let objects = system(json!({ "store": { "accessMode": "ReadWriteMany" } })).await;
    for (name, pod) in pods(&objects) {
        assert!(pod["spec"]["affinity"].is_null(), "{name}");
        assert_eq!(store_node(pod), None, "{name}");
    }
    assert_eq!(colocate(&objects), None);
}

#[tokio::test]
async fn a_disruption_budget_keeps_one_of_two_replicas() {
    let budgets = |objects: &[Value]| of_kind(objects, "PodDisruptionBudget").len();
    let store = json!({ "accessMode": "ReadWriteMany" });
    assert_eq!(budgets(&system(json!({ "store": store })).await), 2);
    let alone = system(json!({ "store": store, "operator": { "replicas": 1 } })).await;
    assert_eq!(budgets(&alone), 1);
    let off = json!({ "store": store, "podDisruptionBudget": { "enabled": false } });
    assert_eq!(budgets(&system(off).await), 0);
}

/// The successor of an evicted pod must go to the very node that is drained, where nothing is
/// scheduled: a budget would let nobody ever drain it.
#[tokio::test]
async fn a_one_node_system_can_be_drained() {
    let objects = system(json!({ "store": { "accessMode": "ReadWriteOnce" } })).await;
    assert!(of_kind(&objects, "PodDisruptionBudget").is_empty());
}

#[tokio::test]
async fn pods_of_our_images_run_on_amd64_by_default() {
    let amd64 = json!({ "kubernetes.io/arch": "amd64" });
    for (name, pod) in pods(&system(everything()).await) {
        let selector = &pod["spec"]["nodeSelector"];
        let foreign = ["asu-postgres", "asu-chef"].contains(&name.as_str());
        assert_eq!(*selector, if foreign { Value::Null } else { amd64.clone() }, "{name}");
    }
    for (told, selector) in [
        (json!({ "disk": "ssd" }), json!({ "disk": "ssd", "kubernetes.io/arch": "amd64" })),
        (json!({ "kubernetes.io/arch": "arm64" }), json!({ "kubernetes.io/arch": "arm64" })),
        (json!({ "kubernetes.io/arch": null }), Value::Null),
    ] {
        let told = json!({ "operator": { "nodeSelector": told } });
        let objects = system(told).await;
        let [migrate] = of_kind(&objects, "Job")[..] else { panic!("not one Job") };
        for object in [find(&objects, "Deployment", "asu-operator"), migrate] {
            assert_eq!(object["spec"]["template"]["spec"]["nodeSelector"], selector);
        }
    }
}

#[tokio::test]
async fn each_selector_selects_its_own_pods() {
    for values in [everything(), external()] {
        assert_selectors_fit(&system(values).await);
    }
}

fn assert_selectors_fit(objects: &[Value]) {
    let pods = pods(objects);
    let matches = |selector: &Value| {
        let wanted = selector.as_object().unwrap();
        pods.iter()
            .filter(|(_, pod)| {
                wanted.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
            })
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
    };
    for service in of_kind(objects, "Service") {
        let name = service["metadata"]["name"].as_str().unwrap();
        assert_eq!(matches(&service["spec"]["selector"]), [name.trim_end_matches("-metrics")]);
    }
    for object in objects {
        if ["Deployment", "StatefulSet", "PodDisruptionBudget"].contains(&kind(object)) {
            let name = object["metadata"]["name"].as_str().unwrap();
            assert_eq!(matches(&object["spec"]["selector"]["matchLabels"]), [name]);
        }
    }
}

#[tokio::test]
async fn the_database_runs_the_official_image_as_its_user() {
    let objects = system(json!({})).await;
    let set = find(&objects, "StatefulSet", "asu-postgres");
    let spec = &set["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["image"], "postgres:17");
    assert_eq!(spec["securityContext"]["runAsUser"], json!(999));
    assert_eq!(set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Retain");
    assert_eq!(
        texts(&set["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"]),
        ["ReadWriteOnce"]
    );
    let none = system(external()).await;
    assert!(of_kind(&none, "StatefulSet").is_empty());
}
