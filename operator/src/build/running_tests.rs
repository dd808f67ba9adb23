//! Tests of decisions on active attempts.

use super::{
    tests::{NOW, facts, job, runs, seconds, tell},
    *,
};
use crate::pods::verdict::PodState;

#[test]
fn a_pod_that_does_not_start_is_reported_and_later_tried_again() {
    let problem = crate::pods::verdict::StartProblem {
        reason: "Unschedulable".into(),
        message: String::new(),
    };
    let mut build = facts();
    build.stored = Some(Stored::Nothing);
    build.jobs =
        vec![job(1, JobState::Active, Some(PodState::Starting { problem: Some(problem) }))];
    assert_eq!(decide(&build), runs(None, Some(seconds(5))));
    build.now = NOW + seconds(5);
    assert_eq!(decide(&build), runs(Some(("NotStarted", "Unschedulable: ")), Some(seconds(595))));
    build.now = NOW + seconds(600);
    let Step::Failed { failure, stop, .. } = decide(&build) else { panic!() };
    assert_eq!((failure.reason, stop.as_deref()), (FailureReason::PodFailed, Some("j-1")));
    tell(&mut build);
    build.status.attempt = Some(1);
    build.jobs.clear();
    build.unseen_job = Some(false);
    build.turn = Some(Turn::Admitted);
    assert_eq!(decide(&build), Step::CreateJob { attempt: 2 });
}

#[test]
fn a_suspended_job_is_reported_and_has_no_time_limit() {
    let mut build = facts();
    build.jobs = vec![JobFact { suspended: true, ..job(1, JobState::Active, None) }];
    build.now = NOW + seconds(100_000);
    build.pods_alive = true;
    assert_eq!(decide(&build), Step::Look(Lookup::Stored));
    build.stored = Some(Stored::Nothing);
    let held = |again| Step::Suspended { job: "j-1".into(), attempt: 1, again };
    assert_eq!(decide(&build), held(Some(SOON)));
    build.pods_alive = false;
    assert_eq!(decide(&build), held(None));
    assert!(!build.runs(), "it has no place");
    // Resumed a moment ago.
    build.jobs = vec![JobFact { created: build.now, ..job(1, JobState::Active, None) }];
    assert_eq!(decide(&build), runs(None, Some(seconds(5))));
}

#[test]
fn a_build_without_a_pod_is_not_reported_as_building() {
    let mut build = facts();
    build.jobs = vec![job(1, JobState::Active, None)];
    build.now = NOW + seconds(5);
    assert_eq!(decide(&build), runs(Some(("NoPod", "the Job has no pod yet")), Some(seconds(595))));
    build.jobs = vec![JobFact {
        ending: Some("evicting".into()),
        ..job(1, JobState::Active, Some(PodState::Running))
    }];
    assert_eq!(
        decide(&build),
        runs(Some(("Disrupted", "the pod is being stopped: evicting")), None)
    );
    build.jobs = vec![job(1, JobState::Active, Some(PodState::Ended { codes: vec![] }))];
    assert_eq!(decide(&build), runs(Some(("Ending", "the pod has ended")), None));
}

#[test]
fn a_pod_that_mounts_a_lost_tree_is_stopped() {
    for cache in [
        CacheFact::Absent,
        CacheFact::NotReady { failures: 0, failed_at: None, reason: "ClaimLost".into() },
    ] {
        let mut build = Facts { cache, ..facts() };
        build.stored = Some(Stored::Nothing);
        build.jobs = vec![job(1, JobState::Active, None)];
        let Step::Failed { failure, stop, .. } = decide(&build) else { panic!() };
        assert_eq!((failure.reason, stop.as_deref()), (FailureReason::TreeLost, Some("j-1")));
        // A pod that has mounted the tree goes on.
        build.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
        assert_eq!(decide(&build), runs(None, None));
    }
}

#[test]
fn an_eviction_is_reported_although_the_pod_is_gone() {
    let mut build = facts();
    build.stored = Some(Stored::Nothing);
    build.jobs = vec![JobFact { disrupted: true, ..job(MAX_ATTEMPTS, JobState::Failed, None) }];
    let Step::Fail(failure) = decide(&build) else { panic!() };
    assert_eq!(failure.reason, FailureReason::PodFailed);
    assert!(failure.detail.contains("evicted"), "{}", failure.detail);
}

#[test]
fn deleting_a_job_keeps_the_failure_of_its_attempt() {
    let mut build = facts();
    build.stored = Some(Stored::Nothing);
    build.jobs = vec![job(1, JobState::Active, None)];
    build.now = NOW + seconds(600);
    tell(&mut build);
    build.status.attempt = Some(1);
    build.jobs.clear();
    build.unseen_job = Some(false);
    build.pods_alive = true;
    assert_eq!(decide(&build), Step::Wait(SOON));
    // Another client deleted the Job, so the status changes.
    build.status = facts().status;
    build.status.attempt = Some(1);
    assert!(matches!(decide(&build), Step::Running { trouble: Some(_), .. }));
}
