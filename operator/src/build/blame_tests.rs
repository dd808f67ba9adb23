//! Tests that an OOM kill is not blamed on the request.

use super::{
    tests::{NOW, facts, job, result, seconds},
    *,
};
use crate::pods::verdict::{Loss, PodState};

/// A build whose attempt ended with this pod state, with this in the artifact store.
fn starved(container: &str, attempt: u32, stored: Stored) -> Facts {
    let mut build = facts();
    let killed = PodState::Lost(Loss::OutOfMemory(container.into()));
    build.jobs = vec![job(attempt, JobState::Failed, Some(killed))];
    build.stored = Some(stored);
    build.now = NOW + seconds(1);
    build
}

fn failure(step: &Step) -> &Failure {
    match step {
        Step::Failed { failure, .. } | Step::TakeBack { failure, .. } | Step::Fail(failure) => {
            failure
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn out_of_memory_is_reported_with_the_limit_for_any_result() {
    let said = |reason| Stored::Attempt(result(Some(reason)));
    for stored in [
        Stored::Nothing,
        said(FailureReason::BuilderDied),
        said(FailureReason::DownloadFailed),
        Stored::Final(result(Some(FailureReason::PackageScript))),
        Stored::Final(result(Some(FailureReason::BuildFailed))),
    ] {
        let step = decide(&starved("build", 1, stored.clone()));
        assert!(!matches!(step, Step::Fail(_)), "it is tried again: {stored:?}");
        let failure = failure(&step);
        assert_eq!(failure.reason, FailureReason::OutOfMemory, "{stored:?}");
        assert!(failure.detail.contains("build") && failure.detail.contains("limit 1Gi"));
    }
    let step = decide(&starved("publish", 1, Stored::Nothing));
    assert!(failure(&step).detail.contains("publish") && failure(&step).detail.contains("256Mi"));
}

#[test]
fn out_of_memory_that_the_build_reported_keeps_its_message() {
    let seen = Stored::Attempt(result(Some(FailureReason::OutOfMemory)));
    assert_eq!(failure(&decide(&starved("build", 1, seen))).detail, "said");
}

#[test]
fn the_result_of_an_oom_killed_build_is_deleted_before_the_next_attempt() {
    let stored = Stored::Final(result(Some(FailureReason::PackageScript)));
    let mut build = starved("build", 1, stored);
    let Step::TakeBack { attempt: 1, failure, next: Some(_) } = decide(&build) else { panic!() };
    let mut writer = super::super::status::Writer::new(&build.status, None, build.now);
    writer.failed_attempt(1, &failure, None);
    build.status = writer.finish();
    // Deleting may have failed: it is repeated.
    assert!(matches!(decide(&build), Step::TakeBack { .. }));
    build.stored = Some(Stored::Nothing);
    build.now = NOW + seconds(60);
    build.turn = Some(Turn::Admitted);
    assert_eq!(decide(&build), Step::CreateJob { attempt: 2 });
}

#[test]
fn a_build_that_is_oom_killed_in_its_last_attempt_fails_with_out_of_memory() {
    let stored = Stored::Final(result(Some(FailureReason::PackageScript)));
    let mut build = starved("build", MAX_ATTEMPTS, stored);
    let Step::Fail(failure) = decide(&build) else { panic!() };
    assert_eq!(failure.reason, FailureReason::OutOfMemory);
    build.status = super::tests::with(build.status, "Succeeded", false, "OutOfMemory");
    assert_eq!(reason(&decide(&build)), FailureReason::OutOfMemory);
}

fn reason(step: &Step) -> FailureReason {
    failure(step).reason
}

#[test]
fn an_oom_kill_of_publish_does_not_invalidate_its_result() {
    let stored = Stored::Final(result(Some(FailureReason::PackageScript)));
    assert!(matches!(decide(&starved("publish", 1, stored)), Step::Archive(_)));
    let good = Stored::Final(result(None));
    assert!(matches!(decide(&starved("build", 1, good)), Step::Archive(_)));
}

#[test]
fn a_failure_without_memory_counters_waits_for_the_end_of_the_pod() {
    let mut build = facts();
    let mut unsure = result(Some(FailureReason::PackageScript));
    unsure.memory_unknown = true;
    build.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
    build.pods_alive = true;
    build.stored = Some(Stored::Final(unsure));
    assert!(matches!(decide(&build), Step::Running { .. }));
    build.pods_alive = false;
    build.jobs = vec![job(1, JobState::Failed, Some(PodState::Ended { codes: vec![] }))];
    assert!(matches!(decide(&build), Step::Archive(_)));
}
