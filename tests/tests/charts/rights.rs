//! Who may do what: exactly what the programs do, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::render::{find, of_kind, system, texts};

/// One verb on one resource, as `group/resource[#name] verb`.
type Rights = BTreeSet<String>;

/// What a Role allows. No verb may be there twice: a reader takes the first for the only one.
fn allowed(role: &Value) -> Rights {
    let mut rights = Rights::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = texts(&rule["resourceNames"]);
        let name = if names.is_empty() { String::new() } else { format!("#{}", names.join(",")) };
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let right = format!("{group}/{resource}{name} {verb}");
                    assert!(rights.insert(right.clone()), "{right} is there twice");
                }
            }
        }
    }
    rights
}

/// What calls need: group and resource, verb.
fn needed(calls: &[(&str, &str)]) -> Rights {
    calls.iter().map(|(resource, verb)| format!("{resource} {verb}")).collect()
}

/// The operator's calls, in operator/src.
const OPERATOR: &[(&str, &str)] = &[
    ("asu.dev/distributions", "list"),  // watches/mod.rs: Stores::watch
    ("asu.dev/distributions", "watch"), // watches/mod.rs: Stores::watch
    ("asu.dev/distributions", "patch"), // distribution/controller.rs: set_finalizer
    ("asu.dev/distributions/status", "patch"), // distribution/controller.rs: publish
    ("asu.dev/imagebuildercaches", "list"), // watches/mod.rs: Stores::watch
    ("asu.dev/imagebuildercaches", "watch"), // watches/mod.rs: Stores::watch
    ("asu.dev/imagebuildercaches", "create"), // distribution/apply.rs: create_cache
    ("asu.dev/imagebuildercaches", "patch"), // distribution/apply.rs: pin
    ("asu.dev/imagebuildercaches", "delete"), // cache/evict.rs: evict
    ("asu.dev/imagebuildercaches/status", "patch"), // cache/controller.rs: publish
    ("asu.dev/imagebuildercaches/finalizers", "update"), // cache/pods.rs: owner (admission)
    ("asu.dev/firmwarebuilds", "get"),  // build/controller.rs: Pass::whole
    ("asu.dev/firmwarebuilds", "list"), // watches/mod.rs: Stores::watch
    ("asu.dev/firmwarebuilds", "watch"), // watches/mod.rs: Stores::watch
    ("asu.dev/firmwarebuilds", "patch"), // build/apply.rs: set_finalizer
    ("asu.dev/firmwarebuilds", "delete"), // build/apply.rs: delete_object
    ("asu.dev/firmwarebuilds/status", "patch"), // build/controller.rs: publish; stages/mod.rs: write
    ("asu.dev/firmwarebuilds/finalizers", "update"), // build/job.rs: job (admission)
    ("batch/jobs", "get"),                      // build/dereference.rs: unseen_job
    ("batch/jobs", "list"),                     // watches/mod.rs: Stores::watch
    ("batch/jobs", "watch"),                    // watches/mod.rs: Stores::watch
    ("batch/jobs", "create"), // build/apply.rs: create_job; cache/apply.rs: populate, prune
    ("batch/jobs", "delete"), // build/apply.rs: delete_jobs; cache/apply.rs: delete_job
    ("/pods", "list"),        // watches/mod.rs: Stores::watch
    ("/pods", "watch"),       // watches/mod.rs: Stores::watch
    ("/pods/log", "get"),     // stages/mod.rs: read_stages; cache/follow.rs: read_log
    ("/persistentvolumeclaims", "get"), // cache/apply.rs: populate; cache/claim.rs: confirm
    ("/persistentvolumeclaims", "list"), // watches/mod.rs: Stores::watch
    ("/persistentvolumeclaims", "watch"), // watches/mod.rs: Stores::watch
    ("/persistentvolumeclaims", "create"), // cache/apply.rs: populate
    ("/persistentvolumeclaims", "delete"), // cache/apply.rs: delete_claim
    ("/secrets", "get"),      // build/dereference.rs: own_secret
    ("/secrets", "delete"),   // build/apply.rs: delete_secret
    ("coordination.k8s.io/leases#asu-operator", "get"), // leader/driver.rs: exchange
    ("coordination.k8s.io/leases#asu-operator", "update"), // leader/driver.rs: exchange, release
    ("coordination.k8s.io/leases", "create"), // leader/driver.rs: exchange
    ("events.k8s.io/events", "create"), // runtime/events.rs: publish
    ("events.k8s.io/events", "patch"), // runtime/events.rs: publish, when it comes again
];

/// The API's calls, in api/src/cluster.
const API: &[(&str, &str)] = &[
    ("asu.dev/firmwarebuilds", "get"),    // create.rs: read, clear
    ("asu.dev/firmwarebuilds", "list"),   // watch.rs: follow
    ("asu.dev/firmwarebuilds", "watch"),  // watch.rs: follow
    ("asu.dev/firmwarebuilds", "create"), // create.rs: create
    ("asu.dev/firmwarebuilds", "delete"), // create.rs: delete
    ("/secrets", "create"),               // secret.rs: ensure_secret
];

#[tokio::test]
async fn the_operator_may_do_what_it_does_and_no_more() {
    let objects = system(json!({})).await;
    assert_eq!(allowed(find(&objects, "Role", "asu-operator")), needed(OPERATOR));
}

#[tokio::test]
async fn the_api_may_create_secrets_and_never_read_one() {
    let objects = system(json!({})).await;
    assert_eq!(allowed(find(&objects, "Role", "asu-api")), needed(API));
}

#[tokio::test]
async fn only_two_accounts_have_permissions_and_only_in_the_namespace() {
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
