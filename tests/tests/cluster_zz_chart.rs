//! The life of a release: tested, upgraded under a running build, removed and installed again. Last
//! of all, because it takes the system away.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use asu_tests::{
    deploy::{self, DISTRIBUTIONS, NAMESPACE, RELEASE, wait_for_distribution},
    router::Answer,
    scenario::{System, WITHIN, Workload},
};
use kube::ResourceExt;
use serde_json::Value;

/// The values that a release was installed with.
async fn values(system: &System, release: &str) -> Value {
    let get = ["get", "values", release, "--namespace", NAMESPACE, "--output", "json"];
    serde_json::from_str(&system.site.helm(&get).await.unwrap()).unwrap()
}

async fn image(system: &System) -> Answer {
    let request = system.request(&["fixture-hello"]);
    system.router.build(&request, WITHIN, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_passes_its_own_test() {
    let system = System::attach().await.unwrap();
    let test = ["test", RELEASE, "--namespace", NAMESPACE, "--timeout", "3m", "--logs"];
    let printed = system.site.helm(&test).await.unwrap();
    assert!(printed.contains("Succeeded"), "{printed}");
    assert!(printed.contains("24.10.7"), "the overview offers nothing:\n{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_does_not_affect_running_builds() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow"]).await.unwrap();
    let mut changed = values(&system, RELEASE).await;
    let before = changed.clone();
    // Other pods of operator and API: the upgrade must not be one in name only.
    let mark = serde_json::json!({ "asu.dev/upgraded": "yes" });
    changed["operator"]["podAnnotations"] = mark.clone();
    changed["api"]["podAnnotations"] = mark;
    let upgraded = deploy::helm(&system.site, RELEASE, "charts/asu", &changed).await;
    let ended = system.end_of(posted, WITHIN).await;
    deploy::helm(&system.site, RELEASE, "charts/asu", &before).await.unwrap();
    upgraded.unwrap();
    let ended = ended.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!((ended.uid(), ended.attempt()), (build.uid().unwrap(), 1));
    assert_eq!(system.pods_ever(&ended.build).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_served_after_uninstall_and_a_second_install() {
    let system = System::attach().await.unwrap();
    let answer = image(&system).await;
    let before = system.router.images(&answer).await.unwrap();
    let (own, offered) = (values(&system, RELEASE).await, values(&system, DISTRIBUTIONS).await);
    let remove = ["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "3m"];
    let removed = system.site.helm(&remove).await;
    let left = system
        .until("no pod of the release is left", WITHIN, || async {
            let mut left = system.pods_of(Workload::Api).await?;
            left.extend(system.pods_of(Workload::Operator).await?);
            left.extend(system.pods_of(Workload::Postgres).await?);
            let names: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
            Ok(if names.is_empty() { Ok(()) } else { Err(names.join(", ")) })
        })
        .await;
    deploy::helm(&system.site, RELEASE, "charts/asu", &own).await.unwrap();
    let chart = "charts/asu-distributions";
    deploy::helm(&system.site, DISTRIBUTIONS, chart, &offered).await.unwrap();
    wait_for_distribution(&system.site, "openwrt").await.unwrap();
    removed.unwrap();
    left.unwrap();
    let hash = answer.text("request_hash");
    let again = system
        .until("the old build is answered", WITHIN, || async {
            // The ingress learns of the new pods in its own time, and answers for itself until then.
            Ok(match system.router.get(hash).await {
                Ok(answer) if answer.status == 200 => Ok(answer),
                Ok(answer) => Err(format!("{}: {}", answer.status, answer.body)),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
        .unwrap();
    assert_eq!(again.body["images"], answer.body["images"]);
    let after = system.router.images(&again).await.unwrap();
    assert_eq!(after.len(), before.len());
    image(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_kept_on_uninstall() {
    let system = System::attach().await.unwrap();
    let answer = image(&system).await;
    let build = system.build_of(&answer).await.unwrap().unwrap();
    assert!(build.metadata.deletion_timestamp.is_none());
    let table = system.site.kubectl(&["get", "dist,ibc,fwb", "-n", NAMESPACE]).await.unwrap();
    for kind in ["distribution", "imagebuildercache", "firmwarebuild"] {
        assert!(table.contains(kind), "{kind} is missing in\n{table}");
    }
    let policy = "jsonpath={.metadata.annotations.helm\\.sh/resource-policy}";
    let get = ["get", "crd", "firmwarebuilds.asu.dev", "-o", policy];
    assert_eq!(system.site.kubectl(&get).await.unwrap(), "keep");
}
