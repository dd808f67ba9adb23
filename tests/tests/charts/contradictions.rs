//! Values that contradict each other, or with which nothing could run, are refused where they are set:
//! the message names them and says what to do.

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::render::{everything, external, helm, text};

/// Values of volumes and the database, and words that the refusal has.
fn refused() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({ "database": { "url": "postgres://a@b/c" } }), &["database.bundled=false"]),
        (json!({ "database": { "existingSecret": "mine" } }), &["database.bundled=false"]),
        (
            json!({ "database": {
                "bundled": false, "existingSecret": "mine", "url": "postgres://a@b/c" } }),
            &["existingSecret", "give one of them"],
        ),
        (json!({ "store": { "highWater": 70 } }), &["store.lowWater=75", "store.highWater=70"]),
        (json!({ "store": { "highWater": 75 } }), &["store.lowWater=75", "store.highWater=75"]),
        (json!({ "store": { "pause": 50 } }), &["store.pause=50", "store.highWater=85"]),
        (json!({ "store": { "pause": 85 } }), &["store.pause=85", "store.highWater=85"]),
        (json!({ "store": { "size": "0" } }), &["store.size=0", "64Mi"]),
        (json!({ "store": { "capacity": "10M" } }), &["store.capacity=10M", "64Mi"]),
        (json!({ "store": { "minAge": "0h" } }), &["/store/minAge"]),
        (
            json!({ "store": { "existingClaim": "a", "storageClassName": "b" } }),
            &["store.storageClassName=b", "store.existingClaim=a"],
        ),
        (
            json!({ "cache": { "existingClaim": "a" } }),
            &["cache.existingClaim=a", "cache.claimMode=perCache"],
        ),
        (
            json!({ "cache": {
                "claimMode": "shared", "existingClaim": "a", "storageClassName": "b" } }),
            &["cache.storageClassName=b", "cache.existingClaim=a"],
        ),
        (json!({ "cache": { "size": "1Mi" } }), &["cache.size=1Mi", "64Mi"]),
        (json!({ "cache": { "maxBytes": 1000 } }), &["cache.maxBytes=1000", "0 is no bound"]),
        (json!({ "postgres": { "size": "1k" } }), &["postgres.size=1k"]),
    ]
}

/// The same, of builds, pods and ways in.
fn refused_of_pods_and_ways_in() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({ "chef": { "enabled": true } }), &["chef.image", "web server"]),
        (json!({ "builds": { "memory": "100Mi" } }), &["builds.memory=100Mi", "128Mi"]),
        (json!({ "builds": { "memory": 1 } }), &["builds.memory=1", "128Mi"]),
        (
            json!({ "builds": { "memoryMax": "512Mi" } }),
            &["builds.memoryMax=512Mi", "1Gi", "builds.memory"],
        ),
        (json!({ "builds": { "cpu": "50m" } }), &["builds.cpu=50m", "100m"]),
        (json!({ "builds": { "maxPending": 0 } }), &["/builds/maxPending"]),
        (json!({ "builds": { "podLabels": { "job-name": "x" } } }), &["job-name is reserved"]),
        (json!({ "builds": { "podLabels": { "a": "b c" } } }), &["/builds/podLabels/a"]),
        (
            json!({ "builds": { "podAnnotations": { "asu.dev/plan": "x" } } }),
            &["asu.dev/plan is reserved"],
        ),
        (json!({ "builds": { "affinity": { "nodes": {} } } }), &["'nodes'", "nodeAffinity"]),
        (
            json!({ "operator": { "resources": { "requests": { "memory": "1Gi" } } } }),
            &["operator.resources", "requests.memory=1Gi", "limits.memory=256Mi"],
        ),
        (
            json!({ "postgres": { "resources": { "requests": { "memory": "2G" } } } }),
            &["postgres.resources", "requests.memory=2G", "limits.memory=1Gi"],
        ),
        (json!({ "operator": { "catalogInterval": "0s" } }), &["catalogInterval"]),
        (json!({ "operator": { "catalogInterval": "5ms" } }), &["operator.catalogInterval=5ms"]),
        (json!({ "ingress": { "host": "http://x" } }), &["/ingress/host"]),
        (json!({ "ingress": { "host": "x:8080" } }), &["/ingress/host"]),
        (json!({ "ingress": { "host": "x/asu" } }), &["/ingress/host"]),
        (json!({ "httpRoute": { "hostnames": ["http://x"] } }), &["/httpRoute/hostnames"]),
        (
            json!({ "ingress": { "host": "a.org", "tls": [{ "hosts": ["b.org"] }] } }),
            &["ingress.host=a.org", "ingress.tls"],
        ),
        (json!({ "images": { "registry": "https://r.org/asu" } }), &["/images/registry"]),
        (json!({ "images": { "registry": "r.org/asu/" } }), &["/images/registry"]),
        (json!({ "fullnameOverride": "my.asu" }), &["/fullnameOverride"]),
        (json!({ "nameOverride": "Asu" }), &["/nameOverride"]),
    ]
}

#[tokio::test]
async fn values_that_contradict_each_other_are_refused_by_name() {
    let outcomes: Vec<_> =
        futures::stream::iter(refused().into_iter().chain(refused_of_pods_and_ways_in()))
            .map(|(values, words)| async move { (text("asu", &values).await, values, words) })
            .buffer_unordered(4)
            .collect()
            .await;
    for (outcome, values, words) in outcomes {
        let refusal = outcome.expect_err(&values.to_string());
        for word in words {
            assert!(refusal.contains(word), "{values}: {refusal}");
        }
    }
}

#[tokio::test]
async fn valid_values_that_resemble_contradictions_are_accepted() {
    for values in [
        json!({ "store": { "lowWater": 1, "highWater": 2, "pause": 3, "capacity": "1.5Ti" } }),
        json!({ "builds": { "cpu": "0.1", "memory": "134217728" } }),
        json!({ "cache": { "claimMode": "shared", "existingClaim": "a" } }),
        json!({ "ingress": { "host": "a.b.org", "tls": [{ "hosts": ["*.b.org"] }] } }),
        json!({ "ingress": { "host": "a.org", "tls": [{ "secretName": "s" }] } }),
        json!({ "images": { "registry": "127.0.0.1:5000/asu" } }),
        everything(),
        external(),
    ] {
        text("asu", &values).await.unwrap_or_else(|refusal| panic!("{values}: {refusal}"));
    }
}

#[tokio::test]
async fn a_release_name_that_is_invalid_for_services_is_refused() {
    let chart = asu_tests::root().join("charts/asu");
    let chart = chart.to_str().unwrap();
    for name in ["my.release", "1asu"] {
        let refusal = helm(&["template", name, chart]).await.unwrap_err();
        assert!(refusal.contains("fullnameOverride"), "{name}: {refusal}");
        helm(&["template", name, chart, "--set", "fullnameOverride=asu"]).await.unwrap();
    }
}

#[tokio::test]
async fn the_chart_passes_the_placement_of_builds_to_the_operator() {
    let builds = json!({
        "priorityClassName": "low", "runtimeClassName": "gvisor",
        "nodeSelector": { "pool": "builds" },
        "tolerations": [{ "key": "builds", "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "podAnnotations": { "a": "b" }, "podLabels": { "team": "c" },
    });
    let objects = crate::render::system(json!({ "builds": builds.clone() })).await;
    let operator = crate::render::find(&objects, "Deployment", "asu-operator");
    let env = &operator["spec"]["template"]["spec"]["containers"][0]["env"];
    let named = |variable: &&Value| variable["name"] == "ASU_POD_PLACEMENT";
    let setting = env.as_array().unwrap().iter().find(named).unwrap()["value"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(setting).unwrap(), builds);
}

/// Changes of a Distribution's spec that contradict it, and words that the refusal has.
fn refused_distributions() -> Vec<(Value, &'static [&'static str])> {
    let key = "RWTTEMbygz6X95lKDAulctZy3aj15823THXfyrfXgwGbxZlXBd2brNcw";
    let branch =
        |name: &str, versions: &[&str]| json!({"name": name, "versions": versions, "keys": [key]});
    vec![
        (
            json!({ "branches": [{"name": "24.10", "versions": ["24.10.7"]}] }),
            &["branches[24.10].keys is empty", "signatures=NotChecked"],
        ),
        (
            json!({ "branches": [branch("24.10", &["24.10.7"]), branch("24.10", &["24.10.8"])] }),
            &["branches[24.10] is there twice"],
        ),
        (
            json!({ "branches": [branch("a", &["24.10.7"]), branch("b", &["24.10.7"])] }),
            &["branches[b].versions has 24.10.7", "one branch"],
        ),
        (
            json!({ "branches": [{
                "name": "a", "versions": ["1", "2"], "path": "releases", "keys": [key] }] }),
            &["branches[a].path=releases", "{version}"],
        ),
        (
            json!({ "pinnedCaches": [{"version": "23.05.5", "target": "ath79/generic"}] }),
            &["pinnedCaches has version 23.05.5", "no branch lists"],
        ),
        (
            json!({
                "targets": ["x86/64"],
                "pinnedCaches": [{"version": "24.10.7", "target": "ath79/generic"}] }),
            &["pinnedCaches has target ath79/generic", "not in targets"],
        ),
    ]
}

/// The same for rules about packages.
fn refused_package_rules() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (
            json!({ "packageChanges": [{"source": "a", "revision": 1, "version": "17.01.0"}] }),
            &["packageChanges[0] needs revision or version", "not both"],
        ),
        (
            json!({ "packageEdits": [{"add": ["a"]}, {"versions": ["24.10*"]}] }),
            &["packageEdits[1] has no action", "add, remove or renamePrefix"],
        ),
        (
            json!({ "packageEdits": [{"renamePrefix": {"from": "a-", "to": "a-b-"}}] }),
            &["packageEdits[0].renamePrefix.to=a-b-", "from=a-"],
        ),
        (
            json!({ "parent": {"distribution": "other"} }),
            &["openwrt.spec has to have either upstream or parent"],
        ),
        (
            json!({ "upstream": null, "parent": {"distribution": "openwrt"} }),
            &["parent.distribution=openwrt is the distribution itself"],
        ),
        (json!({ "defaultPackages": ["a"] }), &["feeds or defaultPackages", "need a parent"]),
    ]
}

#[tokio::test]
async fn a_distribution_that_contradicts_itself_is_refused_by_name() {
    for (spec, words) in refused_distributions().into_iter().chain(refused_package_rules()) {
        let values = json!({ "distributions": { "openwrt": { "spec": spec } } });
        let error = text("asu-distributions", &values).await.expect_err(&values.to_string());
        for word in words {
            assert!(error.contains(word), "{word:?} is missing in {error}");
        }
        // What is not offered may be anything.
        let off = json!({ "distributions": { "openwrt": { "enabled": false, "spec": spec } } });
        text("asu-distributions", &off).await.unwrap();
    }
}
