//! Builds that fail because of their request: each with its own reason, its log kept, and the
//! failure given again instead of another build.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use asu_tests::{
    deploy::NAMESPACE,
    scenario::{Ended, System, WITHIN},
};
use kube::ResourceExt as _;
use serde_json::{Value, json};

/// Ends a build that must fail for `reason`, and checks what every failure has.
async fn failed(system: &System, request: &Value, reason: &str) -> Ended {
    let ended = system.end(request, WITHIN).await.unwrap();
    let body = &ended.answer.body;
    assert_eq!(ended.answer.status, 500, "{body}");
    assert_eq!(body["status"], json!(500), "status must be an integer: {body}");
    assert!(!ended.answer.text("detail").is_empty(), "detail must be text: {body}");
    assert_eq!(body["reason"], json!(reason), "{body}");
    assert_eq!(ended.reason(), reason, "{:?}", ended.build.status);
    let name = ended.build.name_any();
    let table = system.site.kubectl(&["get", "fwb", &name, "-n", NAMESPACE]).await.unwrap();
    assert!(table.contains("Failed") && table.contains(reason), "{table}");
    let row = system.row(&ended.uid()).await.unwrap();
    assert_eq!((row.outcome.as_str(), row.reason.as_str()), ("Failed", reason), "{row:?}");
    ended
}

/// The log of a failed build, which must be there.
async fn log(system: &System, ended: &Ended) -> String {
    let (status, text) = system.log_of(ended.hash()).await.unwrap();
    assert_eq!(status, 200, "{text}");
    assert!(!text.trim().is_empty(), "the log is empty");
    text
}

/// Posts a request again whose failure must be given again: same object, nothing built.
async fn is_given_again(system: &System, request: &Value, ended: &Ended) {
    let again = system.router.post(request).await.unwrap();
    assert_eq!(again.status, 500, "{}", again.body);
    assert_eq!(again.body["detail"], ended.answer.body["detail"]);
    let object = system.build_of(&again).await.unwrap().unwrap();
    assert_eq!(object.uid().unwrap(), ended.uid(), "another build was made");
    assert_eq!(ended.attempt(), 1, "a fault of the request was tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_does_not_exist_is_named() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-hello", "fixture-no-such-package"]);
    let ended = failed(&system, &request, "PackageSelection").await;
    assert!(ended.answer.text("detail").contains("fixture-no-such-package"));
    assert!(!ended.answer.text("detail").contains("fixture-hello"), "{}", ended.answer.body);
    assert!(log(&system, &ended).await.contains("fixture-no-such-package"));
    is_given_again(&system, &request, &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_does_not_exist_and_a_conflict_are_named() {
    let system = System::attach().await.unwrap();
    let missing = system.request(&["fixture-missing-dep"]);
    let conflict = system.request(&["fixture-conflict-a", "fixture-conflict-b"]);
    let missing = failed(&system, &missing, "PackageSelection").await;
    let detail = missing.answer.text("detail");
    assert!(
        detail.contains("fixture-nowhere") || detail.contains("fixture-missing-dep"),
        "{detail}"
    );
    let conflict = failed(&system, &conflict, "PackageSelection").await;
    let detail = conflict.answer.text("detail");
    assert!(
        detail.contains("fixture-conflict-a") || detail.contains("fixture-conflict-b"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_too_big_has_its_own_reason() {
    let system = System::attach().await.unwrap();
    let mut request = system.request(&["fixture-huge"]);
    request["profile"] = json!("acme_router-a");
    let ended = failed(&system, &request, "ImageTooBig").await;
    assert!(ended.answer.text("detail").contains("exceed device storage"), "{}", ended.answer.body);
    log(&system, &ended).await;
    is_given_again(&system, &request, &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_package_script_is_named_whenever_it_runs() {
    let system = System::attach().await.unwrap();
    for package in ["fixture-badpostinst", "fixture-badpostinst-late"] {
        let request = system.request(&[package]);
        let ended = failed(&system, &request, "PackageScript").await;
        assert!(ended.answer.text("detail").contains(package), "{}", ended.answer.body);
        assert!(log(&system, &ended).await.contains(package));
        is_given_again(&system, &request, &ended).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_that_fail_in_one_order_are_built_in_another() {
    let system = System::attach().await.unwrap();
    let sorted = system.request(&["fixture-needs-virtual", "fixture-provider-two"]);
    let failing = failed(&system, &sorted, "PackageSelection").await;
    is_given_again(&system, &sorted, &failing).await;
    let mut turned = sorted.clone();
    turned["packages"].as_array_mut().unwrap().reverse();
    let ended = system.end(&turned, WITHIN).await.unwrap();
    assert_eq!((ended.answer.status, ended.hash()), (200, failing.hash()), "{}", ended.answer.body);
    // Whoever sends the order that failed is answered with the image.
    assert_eq!(system.router.post(&sorted).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_get_and_post_answer_a_failure_equally() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-no-such-package"]);
    let ended = failed(&system, &request, "PackageSelection").await;
    let path = format!("/api/v1/build/{}", ended.hash());
    let head = system.router.ask(reqwest::Method::HEAD, &path, None).await.unwrap();
    assert_eq!(head.status, 500);
    assert_eq!(head.headers["x-imagebuilder-status"], "failed");
    let get = system.router.get(ended.hash()).await.unwrap();
    assert_eq!(get.body["detail"], ended.answer.body["detail"]);
    let stream = |name: &str| get.body[name].as_str().unwrap_or_default().to_owned();
    assert!(stream("stdout").contains("$ make"), "{}", get.body);
    assert!(stream("stderr").contains("fixture-no-such-package"), "{}", get.body);
    let (_, log) = system.router.text(&format!("{path}/log")).await.unwrap();
    let stderr = stream("stderr");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(log.lines().any(|line| line == last), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_revision_or_package_version_is_a_failure_of_the_request() {
    let system = System::attach().await.unwrap();
    let mut request = system.request(&[]);
    request["version_code"] = json!("r1-0000000000");
    let answer = system.router.post(&request).await.unwrap();
    if answer.status != 202 {
        // The catalog knows the revision, so it may be refused before anything is built.
        assert_eq!(answer.status, 400, "{}", answer.body);
        return;
    }
    let ended = failed(&system, &request, "RevisionMismatch").await;
    is_given_again(&system, &request, &ended).await;
}
