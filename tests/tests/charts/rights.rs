//! Who may do what: exactly what the programs do, and nothing else.

use serde_json::{Value, json};

use crate::render::{find, of_kind, system, texts};

/// Rights as `group/resource[#name]: verbs`, one line each, sorted.
fn table(role: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        let mut verbs = texts(&rule["verbs"]);
        verbs.sort_unstable();
        let names = texts(&rule["resourceNames"]);
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let name =
                    if names.is_empty() { String::new() } else { format!("#{}", names.join(",")) };
                lines.push(format!("{group}/{resource}{name}: {}", verbs.join(" ")));
            }
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn the_operator_may_do_what_it_does_and_no_more() {
    let objects = system(json!({})).await;
    let expected = [
        "/persistentvolumeclaims: create delete get list watch",
        "/pods/log: get",
        "/pods: get list watch",
        "/secrets: delete get",
        "asu.dev/distributions/finalizers: update",
        "asu.dev/distributions/status: get patch update",
        "asu.dev/distributions: create delete get list patch update watch",
        "asu.dev/firmwarebuilds/finalizers: update",
        "asu.dev/firmwarebuilds/status: get patch update",
        "asu.dev/firmwarebuilds: create delete get list patch update watch",
        "asu.dev/imagebuildercaches/finalizers: update",
        "asu.dev/imagebuildercaches/status: get patch update",
        "asu.dev/imagebuildercaches: create delete get list patch update watch",
        "batch/jobs: create delete get list watch",
        "coordination.k8s.io/leases#asu-operator: get update",
        "coordination.k8s.io/leases: create",
        "events.k8s.io/events: create patch",
    ];
    assert_eq!(table(find(&objects, "Role", "asu-operator")), expected);
}

#[tokio::test]
async fn the_api_may_create_secrets_and_never_read_one() {
    let objects = system(json!({})).await;
    let expected = ["/secrets: create", "asu.dev/firmwarebuilds: create delete get list watch"];
    assert_eq!(table(find(&objects, "Role", "asu-api")), expected);
}

#[tokio::test]
async fn rights_end_at_the_namespace_and_go_to_two_accounts_alone() {
    let objects = system(json!({})).await;
    assert!(of_kind(&objects, "ClusterRole").is_empty());
    assert!(of_kind(&objects, "ClusterRoleBinding").is_empty());
    for binding in of_kind(&objects, "RoleBinding") {
        let role = binding["roleRef"]["name"].as_str().unwrap();
        let subject = json!([{ "kind": "ServiceAccount", "name": role, "namespace": "asu" }]);
        assert_eq!(binding["subjects"], subject);
        assert!(["asu-operator", "asu-api"].contains(&role), "{role}");
    }
    assert_eq!(of_kind(&objects, "RoleBinding").len(), 2);
}

#[tokio::test]
async fn only_operator_and_api_have_a_token() {
    let objects = system(json!({})).await;
    let mut tokens: Vec<_> = of_kind(&objects, "ServiceAccount")
        .into_iter()
        .map(|account| {
            (
                account["metadata"]["name"].as_str(),
                account["automountServiceAccountToken"].as_bool(),
            )
        })
        .collect();
    tokens.sort_unstable();
    let expected = [("api", true), ("build", false), ("operator", true), ("plain", false)];
    let expected: Vec<_> = expected.map(|(name, token)| (format!("asu-{name}"), token)).into();
    let found: Vec<_> =
        tokens.iter().map(|(name, token)| (name.unwrap().to_owned(), token.unwrap())).collect();
    assert_eq!(found, expected);
}
