//! What reaches the system, and what it reaches.

use serde_json::{Value, json};

use crate::render::{everything, external, find, of_kind, pods, system};

fn labels_match(selector: &Value, labels: &Value) -> bool {
    selector["matchLabels"].as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
}

#[tokio::test]
async fn all_traffic_of_pods_is_denied_by_default() {
    for values in [everything(), external()] {
        let objects = system(values).await;
        let policies = of_kind(&objects, "NetworkPolicy");
        for policy in &policies {
            assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        }
        let build = json!({ "app.kubernetes.io/managed-by": "asu-operator" });
        let ours = pods(&objects);
        let all = ours.iter().map(|(_, pod)| &pod["metadata"]["labels"]).chain([&build]);
        for labels in all {
            let held =
                policies.iter().any(|policy| labels_match(&policy["spec"]["podSelector"], labels));
            assert!(held, "no policy is about {labels}");
        }
    }
}

#[tokio::test]
async fn builds_reach_mirrors_and_neither_the_cluster_nor_the_metadata_service() {
    let objects = system(json!({})).await;
    let spec = &find(&objects, "NetworkPolicy", "asu-build")["spec"];
    assert!(spec["ingress"].is_null());
    let [dns, mirrors] = spec["egress"].as_array().unwrap().as_slice() else { panic!("{spec}") };
    assert_eq!(dns["to"][0]["podSelector"]["matchLabels"], json!({ "k8s-app": "kube-dns" }));
    assert_eq!(
        mirrors["ports"],
        json!([{ "protocol": "TCP", "port": 80 }, { "protocol": "TCP", "port": 443 }])
    );
    let except = mirrors["to"][0]["ipBlock"]["except"].as_array().unwrap();
    for private in ["10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"] {
        assert!(except.contains(&json!(private)), "{private}");
    }
}

#[tokio::test]
async fn only_pods_that_use_the_database_can_reach_it() {
    let objects = system(json!({})).await;
    let ingress = &find(&objects, "NetworkPolicy", "asu-postgres")["spec"]["ingress"][0];
    let mut from: Vec<_> = ingress["from"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"].as_str().unwrap()
        })
        .collect();
    from.sort_unstable();
    assert_eq!(from, ["api", "migrate", "operator"]);
    assert_eq!(ingress["ports"], json!([{ "protocol": "TCP", "port": 5432 }]));
}

#[tokio::test]
async fn the_ingress_serves_every_path_of_any_host_without_redirects() {
    let objects = system(json!({})).await;
    let ingress = find(&objects, "Ingress", "asu");
    assert_eq!(
        ingress["spec"]["rules"],
        json!([{ "http": { "paths": [{
            "path": "/",
            "pathType": "Prefix",
            "backend": { "service": { "name": "asu-api", "port": { "name": "http" } } },
        }] } }])
    );
    assert_eq!(
        ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"],
        "false"
    );
    let named = system(json!({ "ingress": { "host": "sysupgrade.example.org" } })).await;
    let host = &find(&named, "Ingress", "asu")["spec"]["rules"][0]["host"];
    assert_eq!(host, "sysupgrade.example.org");
}

#[tokio::test]
async fn metrics_are_not_in_an_exposed_service() {
    let objects = system(json!({ "api": { "service": { "type": "LoadBalancer" } } })).await;
    let published = find(&objects, "Service", "asu-api");
    assert_eq!(
        published["spec"]["ports"],
        json!([{ "name": "http", "port": 80, "targetPort": "http" }])
    );
    let metrics = find(&objects, "Service", "asu-api-metrics");
    assert!(metrics["spec"]["type"].is_null());
}
