use asu_core::{
    build_key::BuildKey,
    plan::Workspace,
    request_hash::RequestHash,
    result::{BuildResult, Built, RESULT_SCHEMA},
};
use asu_crds::{
    BuildTimes, CachePlace, ConditionFacts, ConditionStatus, FirmwareBuildStatus, Resolved,
    set_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::{
    build::facts::{Policy, Trouble},
    pods::verdict::{Loss, PodState},
};

pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub(super) fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

pub(super) fn facts() -> Facts {
    Facts {
        deleted: false,
        cancel: false,
        abandon: false,
        finalizer: true,
        created: NOW,
        status: FirmwareBuildStatus {
            resolved: Some(Resolved::default()),
            ..FirmwareBuildStatus::default()
        },
        jobs: vec![],
        pods_alive: false,
        committed: false,
        private: false,
        beyond: None,
        cache: CacheFact::Ready {
            place: CachePlace { claim_name: "c".into(), sub_path: "t".into() },
            image: "i".into(),
            workspace: Workspace::default(),
        },
        now: NOW,
        policy: Policy {
            start_timeout: seconds(600),
            defaults_timeout: seconds(120),
            retry_pause: seconds(10),
            ttl_succeeded: seconds(3600),
            ttl_failed: seconds(86_400),
        },
        validity: None,
        revision: None,
        stored: None,
        turn: None,
        secret: None,
        unseen_job: None,
    }
}

pub(super) fn with(
    mut status: FirmwareBuildStatus,
    type_: &'static str,
    ok: bool,
    reason: &str,
) -> FirmwareBuildStatus {
    let facts = ConditionFacts {
        type_,
        status: if ok { ConditionStatus::True } else { ConditionStatus::False },
        reason: reason.into(),
        message: "m".into(),
    };
    set_condition(&mut status.conditions, &facts, None, NOW);
    status
}

pub(super) fn job(attempt: u32, state: JobState, pod: Option<PodState>) -> JobFact {
    JobFact {
        name: format!("j-{attempt}"),
        attempt,
        state,
        pod,
        created: NOW,
        limits: vec![("build".into(), "1Gi".into()), ("publish".into(), "256Mi".into())],
        suspended: false,
        disrupted: false,
        ending: None,
        tree: None,
        ended: Some(NOW),
        deleting: false,
    }
}

pub(super) fn result(failure: Option<FailureReason>) -> Box<BuildResult> {
    let built = Built {
        build_key: BuildKey::of(b"k"),
        files: vec![],
        manifest: [].into(),
        packages: vec![],
        commands: vec![],
        profile: serde_json::Map::new(),
    };
    Box::new(BuildResult {
        schema: RESULT_SCHEMA,
        uid: "u".into(),
        request_hash: RequestHash::of(b"r"),
        built: failure.is_none().then_some(built),
        failure: failure.map(|reason| Failure::new(reason, "said")),
        memory_unknown: false,
        log: None,
        millis: [].into(),
    })
}

fn reason(step: &Step) -> FailureReason {
    match step {
        Step::Fail(failure) => failure.reason,
        other => panic!("{other:?}"),
    }
}

/// Applies `Step::Failed` to the facts.
pub(super) fn tell(build: &mut Facts) {
    let Step::Failed { attempt, failure, next, .. } = decide(build) else { panic!("{build:?}") };
    let mut writer = super::super::status::Writer::new(&build.status, None, build.now);
    writer.failed_attempt(attempt, &failure, next);
    build.status = writer.finish();
}

pub(super) fn runs(trouble: Option<(&'static str, &str)>, again: Option<SignedDuration>) -> Step {
    let trouble = trouble.map(|(reason, message)| Trouble { reason, message: message.into() });
    Step::Running { job: "j-1".into(), attempt: 1, trouble, again }
}

#[test]
fn a_build_beyond_the_limit_fails_with_queue_full_and_without_a_record() {
    let mut build = facts();
    build.status.resolved = None;
    build.beyond = Some(201);
    assert_eq!(decide(&build), Step::TurnAway(201));
    let deleted = Facts { deleted: true, ..build.clone() };
    assert_eq!(decide(&deleted), Step::RemoveFinalizer);
    let mut writer = super::super::status::Writer::new(&build.status, None, build.now);
    writer.refused(FailureReason::QueueFull, "m");
    build.status = writer.finish();
    assert_eq!(decide(&build), Step::Wait(seconds(60)));
    build.now = NOW + seconds(60);
    assert_eq!(decide(&build), Step::DeleteObject);
}

#[test]
fn no_job_is_created_before_admission() {
    let mut build = facts();
    assert_eq!(decide(&build), Step::Look(Lookup::Turn));
    build.turn = Some(Turn::Waits);
    assert_eq!(decide(&build), Step::Queue { again: None });
}

#[test]
fn the_store_is_checked_for_a_result_before_a_job_is_created() {
    let mut build = facts();
    build.turn = Some(Turn::Admitted);
    assert_eq!(decide(&build), Step::Look(Lookup::Stored));
    build.stored = Some(Stored::Final(result(None)));
    assert_eq!(decide(&build), Step::Archive(result(None)));
    build.stored = Some(Stored::Nothing);
    assert_eq!(decide(&build), Step::CreateJob { attempt: 1 });
}

#[test]
fn a_committed_build_is_archived_although_its_job_was_deleted() {
    let mut build = facts();
    build.status.attempt = Some(1);
    build.status.job_name = Some("j-1".into());
    assert_eq!(decide(&build), Step::Look(Lookup::Stored));
    build.stored = Some(Stored::Final(result(None)));
    assert_eq!(decide(&build), Step::Archive(result(None)));
}

#[test]
fn a_job_that_the_watch_does_not_show_yet_is_not_created_twice() {
    let mut build = facts();
    build.status.attempt = Some(1);
    build.stored = Some(Stored::Nothing);
    build.turn = Some(Turn::Admitted);
    assert_eq!(decide(&build), Step::Look(Lookup::UnseenJob));
    build.unseen_job = Some(true);
    assert!(matches!(decide(&build), Step::Wait(_)));
    build.unseen_job = Some(false);
    tell(&mut build);
    assert_eq!(decide(&build), Step::CreateJob { attempt: 2 });
}

#[test]
fn no_second_job_is_created_beside_an_active_one() {
    let mut build = facts();
    build.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
    build.turn = Some(Turn::Admitted);
    build.stored = Some(Stored::Nothing);
    assert_eq!(decide(&build), runs(None, None));
}

#[test]
fn infrastructure_failures_are_tried_again_after_a_pause_at_most_twice() {
    let mut build = facts();
    build.turn = Some(Turn::Admitted);
    build.stored = Some(Stored::Attempt(result(Some(FailureReason::DownloadFailed))));
    build.jobs = vec![job(1, JobState::Failed, None)];
    tell(&mut build);
    assert_eq!(decide(&build), Step::Wait(seconds(10)));
    build.now = NOW + seconds(10);
    assert_eq!(decide(&build), Step::CreateJob { attempt: 2 });
    build.jobs.push(job(2, JobState::Failed, None));
    tell(&mut build);
    assert_eq!(decide(&build), Step::Wait(seconds(10)));
    build.now = NOW + seconds(20);
    assert_eq!(decide(&build), Step::CreateJob { attempt: 3 });
    build.jobs.push(job(3, JobState::Failed, None));
    assert_eq!(reason(&decide(&build)), FailureReason::DownloadFailed);
}

#[test]
fn a_failure_of_the_request_is_not_tried_again() {
    let mut build = facts();
    build.jobs = vec![job(1, JobState::Failed, None)];
    build.stored = Some(Stored::Final(result(Some(FailureReason::PackageSelection))));
    assert!(matches!(decide(&build), Step::Archive(_)));
}

#[test]
fn without_a_result_the_failure_comes_from_the_state_of_the_pod() {
    let verdict = |pod| {
        let mut build = facts();
        build.stored = Some(Stored::Nothing);
        build.jobs = vec![job(MAX_ATTEMPTS, JobState::Failed, Some(pod))];
        reason(&decide(&build))
    };
    let lost = |loss| verdict(PodState::Lost(loss));
    assert_eq!(lost(Loss::Evicted("node memory".into())), FailureReason::PodFailed);
    assert_eq!(lost(Loss::Evicted("ephemeral-storage".into())), FailureReason::NoSpace);
    assert_eq!(lost(Loss::OutOfMemory("build".into())), FailureReason::OutOfMemory);
    assert_eq!(lost(Loss::Deadline), FailureReason::PodFailed);
    assert_eq!(verdict(PodState::Ended { codes: vec![] }), FailureReason::Internal);
}

#[test]
fn deleting_a_live_build_stops_its_job_and_cancels_it_after_the_end_of_the_pod() {
    let mut build = facts();
    build.deleted = true;
    build.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
    assert_eq!(decide(&build), Step::StopJobs(vec!["j-1".into()]));
    build.jobs.clear();
    build.pods_alive = true;
    assert!(matches!(decide(&build), Step::Wait(_)));
    build.pods_alive = false;
    assert_eq!(decide(&build), Step::Look(Lookup::Stored));
    build.stored = Some(Stored::Nothing);
    assert_eq!(reason(&decide(&build)), FailureReason::Cancelled);
}

#[test]
fn a_build_that_committed_before_its_cancellation_is_archived_with_its_result() {
    let mut build = facts();
    build.cancel = true;
    build.stored = Some(Stored::Final(result(None)));
    assert_eq!(decide(&build), Step::Archive(result(None)));
}

#[test]
fn a_missing_first_boot_script_fails_the_build_without_a_place() {
    let mut build = facts();
    build.private = true;
    assert_eq!(decide(&build), Step::Look(Lookup::Secret));
    build.secret = Some(false);
    assert!(matches!(decide(&build), Step::Queue { again: Some(_) }));
    build.cache = CacheFact::Absent;
    assert_eq!(decide(&build), Step::CreateCache);
    build.cache = CacheFact::NotReady { failures: 0, failed_at: None, reason: "Populating".into() };
    assert!(matches!(decide(&build), Step::Queue { again: Some(_) }));
    build.now = NOW + seconds(120);
    assert_eq!(reason(&decide(&build)), FailureReason::DefaultsMissing);
}

#[test]
fn repeated_failures_of_a_cache_fail_its_waiting_builds() {
    let mut build = facts();
    build.cache =
        CacheFact::NotReady { failures: 2, failed_at: None, reason: "BadSignature".into() };
    assert_eq!(decide(&build), Step::Queue { again: None });
    build.cache =
        CacheFact::NotReady { failures: 3, failed_at: None, reason: "BadSignature".into() };
    assert_eq!(reason(&decide(&build)), FailureReason::CacheFailed);
}

#[test]
fn a_build_younger_than_the_last_failure_of_its_cache_waits() {
    let mut build = facts();
    let failed = |failed_at| CacheFact::NotReady {
        failures: 9,
        failed_at: Some(failed_at),
        reason: "DownloadFailed".into(),
    };
    build.cache = failed(build.created);
    assert_eq!(decide(&build), Step::Queue { again: None });
    build.cache = failed(build.created + seconds(1));
    assert_eq!(reason(&decide(&build)), FailureReason::CacheFailed);
}

#[test]
fn an_ended_build_without_a_record_keeps_its_result() {
    let mut build = facts();
    build.status = with(build.status, "Succeeded", false, "Cancelled");
    build.stored = Some(Stored::Nothing);
    assert_eq!(reason(&decide(&build)), FailureReason::Cancelled);
}

#[test]
fn the_jobs_of_an_archived_build_are_deleted_and_later_its_object() {
    let mut build = facts();
    build.status = with(build.status, "Succeeded", true, "Succeeded");
    build.status = with(build.status, "Archived", true, "Archived");
    build.status.times = Some(BuildTimes { archived_at: Some(Time(NOW)), ..BuildTimes::default() });
    build.jobs = vec![job(1, JobState::Complete, None)];
    assert_eq!(decide(&build), Step::DeleteJobs(vec!["j-1".into()]));
    build.jobs.clear();
    assert_eq!(decide(&build), Step::Wait(seconds(3600)));
    build.now = NOW + seconds(3600);
    assert_eq!(decide(&build), Step::DeleteObject);
    build.deleted = true;
    assert_eq!(decide(&build), Step::RemoveFinalizer);
    build.finalizer = false;
    assert_eq!(decide(&build), Step::Rest);
}

#[test]
fn an_abandoned_build_is_deleted_without_a_record() {
    let mut build = facts();
    (build.deleted, build.abandon) = (true, true);
    assert_eq!(decide(&build), Step::RemoveFinalizer);
}

#[test]
fn a_refused_build_is_never_built_and_can_be_deleted() {
    let mut build = facts();
    build.status.resolved = None;
    assert_eq!(decide(&build), Step::Look(Lookup::Validity));
    build.validity = Some(Err(Unaccepted::Refused("no".into())));
    assert_eq!(decide(&build), Step::Refuse("no".into()));
    build.deleted = true;
    assert_eq!(decide(&build), Step::RemoveFinalizer);
}

#[test]
fn a_failed_job_is_waited_for_until_its_pod_has_ended() {
    for state in [JobState::Failed, JobState::Deadline] {
        let mut build = facts();
        build.jobs = vec![job(MAX_ATTEMPTS, state, Some(PodState::Running))];
        build.pods_alive = true;
        assert!(matches!(decide(&build), Step::Wait(_)), "its log is not there yet");
        build.pods_alive = false;
        assert_eq!(decide(&build), Step::Look(Lookup::Stored));
    }
}

#[test]
fn the_build_fails_with_the_known_failure_of_its_last_attempt() {
    let mut build = facts();
    build.stored = Some(Stored::Nothing);
    build.jobs = vec![job(MAX_ATTEMPTS, JobState::Active, None)];
    build.now = NOW + seconds(600);
    tell(&mut build);
    build.status.attempt = Some(MAX_ATTEMPTS);
    build.jobs.clear();
    build.unseen_job = Some(false);
    let Step::Fail(failure) = decide(&build) else { panic!() };
    assert_eq!(failure.detail, "The pod did not start in time: no reason is known");
}

#[test]
fn a_build_fails_when_its_version_is_no_longer_offered() {
    let mut build = facts();
    build.cache = CacheFact::NotReady { failures: 0, failed_at: None, reason: NOT_OFFERED.into() };
    assert_eq!(reason(&decide(&build)), FailureReason::CacheFailed);
}

#[test]
fn a_committed_result_is_archived_before_its_pods_end_is_noticed() {
    let mut build = facts();
    build.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
    assert!(matches!(decide(&build), Step::Running { .. }));
    build.committed = true;
    assert_eq!(decide(&build), Step::Look(Lookup::Stored));
    build.stored = Some(Stored::Final(result(None)));
    assert!(matches!(decide(&build), Step::Archive(_)));
    // What the pod says does not count without a result in the store.
    build.stored = Some(Stored::Nothing);
    assert!(matches!(decide(&build), Step::Running { .. }));
}
