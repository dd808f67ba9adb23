//! Faults of the download server while builds run: each with its own reason, never "package not
//! found", tried again, and over when the fault is over.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use asu_tests::{
    fixtures::Faults,
    scenario::{System, WITHIN},
};
use serde_json::{Value, json};

/// Three attempts with pauses.
const LONG: Duration = Duration::from_mins(7);

/// What a build with this package ends with while the server has these faults.
async fn during(faults: Faults, package: &str, reason: &str) {
    let system = System::attach().await.unwrap();
    system.reset_faults().await.unwrap();
    system.set_faults(&faults).await.unwrap();
    let request = system.request(&[package]);
    let outcome = system.end(&request, LONG).await;
    // Whatever became of it, the next test finds a server without faults.
    system.reset_faults().await.unwrap();
    let ended = outcome.unwrap();
    let body = &ended.answer.body;
    assert_eq!(ended.answer.status, 500, "{body}");
    assert_eq!(body["reason"], json!(reason), "{body}");
    assert!(!ended.answer.text("detail").contains("Impossible package selection"), "{body}");
    assert!(ended.attempt() > 1, "it was not tried again: {:?}", ended.build.status);
    assert_eq!(system.log_of(ended.hash()).await.unwrap().0, 200, "the log is not kept");
    succeeds_now(&system, &request, &ended.uid()).await;
}

/// The same request, after the fault: built anew.
async fn succeeds_now(system: &System, request: &Value, before: &str) {
    let posted = system.router.post(request).await.unwrap();
    assert_eq!(posted.status, 202, "the failure was kept as an answer: {}", posted.body);
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_ne!(ended.uid(), before);
    system.router.images(&ended.answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_answered_503_is_a_failed_download() {
    let faults = Faults { status_503: vec!["*/fixture-hello_*".into()], ..Faults::default() };
    during(faults, "fixture-hello", "DownloadFailed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_answered_503_is_a_failed_download() {
    let faults = Faults { status_503: vec!["*/Packages*".into()], ..Faults::default() };
    during(faults, "fixture-hello", "DownloadFailed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_disappears_after_its_index_is_a_failed_download() {
    during(Faults { stale_index: true, ..Faults::default() }, "fixture-service", "DownloadFailed")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_an_unknown_signature_fails_with_index_signature() {
    let faults = Faults { wrong_signature: vec!["*/Packages.sig".into()], ..Faults::default() };
    during(faults, "fixture-hello", "IndexSignature").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_fault_is_overcome_by_the_next_attempt() {
    let system = System::attach().await.unwrap();
    system.reset_faults().await.unwrap();
    let faults = Faults { status_503: vec!["*.ipk".into()], ..Faults::default() };
    system.set_faults(&faults).await.unwrap();
    let posted = system.router.post(&system.request(&["fixture-hello"])).await.unwrap();
    let second = system
        .until_build("its first attempt failed", &posted, WITHIN, |build| {
            let attempt = build.status.as_ref().and_then(|status| status.attempt);
            attempt.is_some_and(|attempt| attempt > 1)
        })
        .await;
    system.reset_faults().await.unwrap();
    second.unwrap();
    let ended = system.end_of(posted, LONG).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert!(ended.attempt() > 1);
    assert_eq!(system.row(&ended.uid()).await.unwrap().outcome, "Succeeded");
}
