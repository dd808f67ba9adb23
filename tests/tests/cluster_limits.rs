//! Builds that use more than they may: time, scratch space, memory, log.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use asu_crds::Distribution;
use asu_tests::{
    deploy::{NAMESPACE, wait_for_distribution},
    scenario::{Ended, System, WITHIN, Workload},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

/// Three attempts of a build that fails late.
const LONG: Duration = Duration::from_mins(7);

/// A Distribution like the fixture's in which builds may take few seconds.
const BRIEF: &str = "brief";

fn distributions(system: &System) -> Api<Distribution> {
    Api::namespaced(system.client.clone(), NAMESPACE)
}

async fn offer_brief_builds(system: &System) {
    let api = distributions(system);
    if api.get_opt(BRIEF).await.unwrap().is_none() {
        let mut spec = api.get("openwrt").await.unwrap().spec;
        spec.limits.build_seconds = 20;
        spec.pinned_caches.clear();
        api.create(&PostParams::default(), &Distribution::new(BRIEF, spec)).await.unwrap();
    }
    wait_for_distribution(&system.site, BRIEF).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_ended_and_its_log_kept() {
    let system = System::attach().await.unwrap();
    offer_brief_builds(&system).await;
    let mut request = system.request(&["fixture-slow-60"]);
    request["distro"] = json!(BRIEF);
    let posted = system
        .until("the API offers the distribution", WITHIN, || async {
            let answer = system.router.post(&request).await?;
            Ok(if answer.status == 202 { Ok(answer) } else { Err(answer.body.to_string()) })
        })
        .await
        .unwrap();
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.body["reason"], json!("TimedOut"), "{}", ended.answer.body);
    assert_eq!(ended.reason(), "TimedOut");
    let (status, text) = system.log_of(ended.hash()).await.unwrap();
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("fixture-slow: sleeping 60 s"), "the log ends too early:\n{text}");
    let again = system.router.post(&request).await.unwrap();
    assert_eq!(again.status, 500, "{}", again.body);
    distributions(&system).delete(BRIEF, &DeleteParams::default()).await.unwrap();
}

/// The same request is built anew; that build is not waited for.
async fn is_not_kept(system: &System, request: &Value, ended: &Ended) {
    let again = system.router.post(request).await.unwrap();
    assert_eq!(again.status, 202, "{}", again.body);
    let anew = system.until_build("it is built anew", &again, WITHIN, |build| {
        build.uid().is_some_and(|uid| uid != ended.uid())
    });
    let name = anew.await.unwrap().name_any();
    system.site.kubectl(&["delete", "fwb", &name, "-n", NAMESPACE]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn full_scratch_space_is_reported_retried_and_not_kept_as_an_answer() {
    let system = System::attach().await.unwrap();
    let allowed = work_bytes(&system).await;
    assert!(allowed < 2 << 30, "builds.workBytes is {allowed}: two gibibytes would fit");
    let request = system.request(&["fixture-diskfull"]);
    let ended = system.end(&request, LONG).await.unwrap();
    assert_eq!(ended.answer.status, 500);
    assert_eq!(ended.answer.body["reason"], json!("NoSpace"), "{}", ended.answer.body);
    assert!(ended.attempt() > 1, "it was not tried again: {:?}", ended.build.status);
    assert_eq!(system.log_of(ended.hash()).await.unwrap().0, 200, "the log is not kept");
    is_not_kept(&system, &request, &ended).await;
}

/// The kernel ends a child of its package's script, which says nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_is_reported_retried_with_more_and_not_kept_as_an_answer() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-hungry"]);
    let ended = system.end(&request, LONG).await.unwrap();
    assert_eq!(ended.answer.status, 500);
    assert_eq!(ended.answer.body["reason"], json!("OutOfMemory"), "{}", ended.answer.body);
    let detail = ended.answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("used") && detail.contains("limit"), "{detail}");
    assert_eq!(ended.attempt(), 3, "{:?}", ended.build.status);
    let status = ended.build.status.clone().unwrap_or_default();
    assert_eq!(status.memory.as_deref(), Some("1Gi"), "it did not get more: {status:?}");
    is_not_kept(&system, &request, &ended).await;
}

/// What the operator was told that a build's work folder may hold.
async fn work_bytes(system: &System) -> u64 {
    let pod = system.pods_of(Workload::Operator).await.unwrap().remove(0);
    let container = pod.spec.unwrap().containers.remove(0);
    let setting = container.env.unwrap().into_iter().find(|env| env.name == "ASU_BUILD_WORK_BYTES");
    setting.unwrap().value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_of_a_package_gives_an_image_and_a_limited_log() {
    let system = System::attach().await.unwrap();
    let ended = system.end(&system.request(&["fixture-chatty"]), WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    let (status, text) = system.log_of(ended.hash()).await.unwrap();
    assert_eq!(status, 200);
    assert!(text.len() < 9 << 20, "the log has {} bytes", text.len());
    assert!(ended.answer.body.to_string().len() < 1 << 20, "the answer carries the whole log");
}
