//! A folder of Distributions in Git, on the deployed system: applied, applied again, removed and reverted.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use asu_crds::{Distribution, condition};
use asu_tests::{
    deploy::NAMESPACE,
    fixtures::Faults,
    gitops::{Change, Folder, Health, health},
    scenario::{Error, System, WITHIN},
};
use kube::Api;
use reqwest::Method;
use serde_json::{Value, json};

/// Name of the Distribution in Git.
const NAME: &str = "from-git";
/// The version that the fixture's download server has.
const VERSION: &str = "24.10.7";

/// The file in Git: it discovers the versions of the fixture, which the deployed Distribution lists.
async fn file(system: &System) -> Value {
    let deployed = distributions(system).get("openwrt").await.unwrap().spec;
    let branch = deployed.branches.iter().find(|branch| branch.name == "24.10").unwrap();
    json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": NAME},
        "spec": {
            "title": "From Git",
            "upstream": deployed.upstream,
            "branches": [{"name": branch.name, "discover": {}, "keys": branch.keys}],
        },
    })
}

fn distributions(system: &System) -> Api<Distribution> {
    Api::namespaced(system.client.clone(), NAMESPACE)
}

/// Waits until the API offers this version of the Distribution; with `None`, until it does not know the
/// Distribution. Returns the overview.
async fn offers(system: &System, version: Option<&str>) -> Value {
    let path = format!("/json/v1/overview.json?distro={NAME}");
    let what = format!("{version:?} is offered");
    let answer = system.until(&what, WITHIN, || async {
        let answer = system.router.ask(Method::GET, &path, None).await?;
        let branches = answer.body["branches"].to_string();
        let met = match version {
            Some(version) => answer.status == 200 && branches.contains(version),
            None => answer.status == 400,
        };
        Ok(if met { Ok(answer.body) } else { Err(format!("{}: {branches}", answer.status)) })
    });
    answer.await.unwrap()
}

/// Waits until the operator has read the download server with this result.
async fn reads(system: &System, reason: &str) -> Result<(), Error> {
    let reading = system.until(reason, WITHIN, || async {
        let status = distributions(system).get(NAME).await?.status.unwrap_or_default();
        let ready = condition(&status.conditions, "Ready");
        let found = ready.map(|ready| ready.reason.clone()).unwrap_or_default();
        Ok(if found == reason { Ok(()) } else { Err(found) })
    });
    reading.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_git_decides_what_is_offered_and_running_builds_go_on() {
    let system = System::attach().await.unwrap();
    system.reset_faults().await.unwrap();
    let unpublished = Faults { not_found: vec!["*/.targets.json".into()], ..Faults::default() };
    system.set_faults(&unpublished).await.unwrap();
    let file = file(&system).await;
    let mut folder = Folder::new(&system.client, NAMESPACE);
    let changes = folder.apply(std::slice::from_ref(&file)).await;
    // Other tests need a server without faults, also if this one fails.
    let unread = reads(&system, "NothingRead").await;
    system.reset_faults().await.unwrap();
    assert_eq!(changes.unwrap(), [Change::Created]);
    unread.unwrap();

    // The server publishes the version. Nothing else is done.
    let offered = offers(&system, Some(VERSION)).await;
    reads(&system, "UpToDate").await.unwrap();
    let object = folder.get(NAME).await.unwrap();
    assert_eq!(health(&serde_json::to_value(&object).unwrap()), Health::Current);
    assert_eq!(folder.apply(std::slice::from_ref(&file)).await.unwrap(), [Change::Unchanged]);

    let mut request = system.request(&["fixture-slow-5"]);
    request["distro"] = json!(NAME);
    let posted = system.router.post(&request).await.unwrap();
    let has_job = |build: &asu_crds::FirmwareBuild| {
        build.status.as_ref().is_some_and(|status| status.job_name.is_some())
    };
    system.until_build("the build runs", &posted, WITHIN, has_job).await.unwrap();
    assert_eq!(folder.apply(&[]).await.unwrap(), [Change::Pruned]);
    offers(&system, None).await;
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    system.router.images(&ended.answer).await.unwrap();
    let refused = system.router.post(&request_of(&system)).await.unwrap();
    assert_eq!(refused.status, 400, "{}", refused.body);

    assert_eq!(folder.apply(&[file]).await.unwrap(), [Change::Created]);
    assert_eq!(offers(&system, Some(VERSION)).await, offered);
    folder.apply(&[]).await.unwrap();
    offers(&system, None).await;
}

/// A request that no build was made for.
fn request_of(system: &System) -> Value {
    let mut request = system.request(&["fixture-hello"]);
    request["distro"] = json!(NAME);
    request
}
