use asu_core::{
    digest::Sha256Hex,
    result::{Built, RESULT_SCHEMA},
};
use asu_crds::{
    BuildTimes, CachePlace, ConditionFacts, ConditionStatus, FirmwareBuildStatus, Resolved,
    set_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

use super::*;
use crate::build::facts::Policy;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn facts() -> Facts {
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
        private: false,
        cache: CacheFact::Ready {
            place: CachePlace { claim_name: "c".into(), sub_path: "t".into() },
            image: "i".into(),
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
        stored: None,
        turn: None,
        secret: None,
        unseen_job: None,
    }
}

fn with(
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

fn job(attempt: u32, state: JobState, pod: Option<PodState>) -> JobFact {
    JobFact {
        name: format!("j-{attempt}"),
        attempt,
        state,
        pod,
        created: NOW,
        ended: Some(NOW),
        deleting: false,
    }
}

fn result(failure: Option<FailureReason>) -> Box<BuildResult> {
    let built = Built {
        build_key: Sha256Hex::of(b"k"),
        shareable: true,
        files: vec![],
        manifest: [].into(),
        packages: vec![],
        commands: vec![],
        profile: serde_json::Map::new(),
    };
    Box::new(BuildResult {
        schema: RESULT_SCHEMA,
        uid: "u".into(),
        request_hash: Sha256Hex::of(b"r"),
        built: failure.is_none().then_some(built),
        failure: failure.map(|reason| Failure::new(reason, "said")),
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

#[test]
fn no_job_before_its_turn() {
    let mut it = facts();
    assert_eq!(decide(&it), Step::Look(Lookup::Turn));
    it.turn = Some(Turn::Waits);
    assert_eq!(decide(&it), Step::Queue { again: None });
}

#[test]
fn before_a_job_the_store_is_asked_for_a_result() {
    let mut it = facts();
    it.turn = Some(Turn::Admitted);
    assert_eq!(decide(&it), Step::Look(Lookup::Stored));
    it.stored = Some(Stored::Final(result(None)));
    assert_eq!(decide(&it), Step::Archive(result(None)));
    it.stored = Some(Stored::Nothing);
    assert_eq!(decide(&it), Step::CreateJob { attempt: 1 });
}

#[test]
fn a_job_that_was_deleted_by_hand_after_its_commit_is_archived_not_rebuilt() {
    let mut it = facts();
    it.status.attempt = Some(1);
    it.status.job_name = Some("j-1".into());
    assert_eq!(decide(&it), Step::Look(Lookup::Stored));
    it.stored = Some(Stored::Final(result(None)));
    assert_eq!(decide(&it), Step::Archive(result(None)));
}

#[test]
fn a_job_that_the_watch_does_not_show_yet_is_not_made_twice() {
    let mut it = facts();
    it.status.attempt = Some(1);
    it.stored = Some(Stored::Nothing);
    it.turn = Some(Turn::Admitted);
    assert_eq!(decide(&it), Step::Look(Lookup::UnseenJob));
    it.unseen_job = Some(true);
    assert!(matches!(decide(&it), Step::Wait(_)));
    it.unseen_job = Some(false);
    assert_eq!(decide(&it), Step::CreateJob { attempt: 2 });
}

#[test]
fn an_active_job_is_never_joined_by_another() {
    let mut it = facts();
    it.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
    it.turn = Some(Turn::Admitted);
    it.stored = Some(Stored::Nothing);
    assert_eq!(decide(&it), Step::Running { job: "j-1".into(), attempt: 1, again: None });
}

#[test]
fn infrastructure_failures_are_tried_again_after_a_pause_at_most_twice() {
    let mut it = facts();
    it.turn = Some(Turn::Admitted);
    it.stored = Some(Stored::Attempt(result(Some(FailureReason::DownloadFailed))));
    it.jobs = vec![job(1, JobState::Failed, None)];
    assert_eq!(decide(&it), Step::Wait(seconds(10)));
    it.now = NOW + seconds(10);
    assert_eq!(decide(&it), Step::CreateJob { attempt: 2 });
    it.jobs.push(job(2, JobState::Failed, None));
    assert_eq!(decide(&it), Step::Wait(seconds(10)));
    it.now = NOW + seconds(20);
    assert_eq!(decide(&it), Step::CreateJob { attempt: 3 });
    it.jobs.push(job(3, JobState::Failed, None));
    assert_eq!(reason(&decide(&it)), FailureReason::DownloadFailed);
}

#[test]
fn a_fault_of_the_request_is_not_tried_again() {
    let mut it = facts();
    it.jobs = vec![job(1, JobState::Failed, None)];
    it.stored = Some(Stored::Final(result(Some(FailureReason::PackageSelection))));
    assert!(matches!(decide(&it), Step::Archive(_)));
}

#[test]
fn the_pods_own_verdict_says_why_there_is_no_result() {
    let verdict = |pod| {
        let mut it = facts();
        it.stored = Some(Stored::Nothing);
        it.jobs = vec![job(MAX_ATTEMPTS, JobState::Failed, Some(pod))];
        reason(&decide(&it))
    };
    let lost = |loss| verdict(PodState::Lost(loss));
    assert_eq!(lost(Loss::Evicted("node memory".into())), FailureReason::PodFailed);
    assert_eq!(lost(Loss::Evicted("ephemeral-storage".into())), FailureReason::NoSpace);
    assert_eq!(lost(Loss::OutOfMemory("build".into())), FailureReason::BuilderDied);
    assert_eq!(lost(Loss::Deadline), FailureReason::PodFailed);
    assert_eq!(verdict(PodState::Ended { codes: vec![] }), FailureReason::Internal);
}

#[test]
fn a_pod_that_does_not_start_in_time_fails_the_build() {
    let problem = crate::pods::verdict::StartProblem {
        reason: "Unschedulable".into(),
        message: String::new(),
    };
    let mut it = facts();
    it.stored = Some(Stored::Nothing);
    it.jobs = vec![job(1, JobState::Active, Some(PodState::Starting { problem: Some(problem) }))];
    let again = Some(seconds(600));
    assert_eq!(decide(&it), Step::Running { job: "j-1".into(), attempt: 1, again });
    it.now = NOW + seconds(600);
    assert_eq!(reason(&decide(&it)), FailureReason::PodFailed);
}

#[test]
fn deleting_a_live_build_stops_its_job_waits_for_its_pod_and_cancels() {
    let mut it = facts();
    it.deleted = true;
    it.jobs = vec![job(1, JobState::Active, Some(PodState::Running))];
    assert_eq!(decide(&it), Step::StopJobs(vec!["j-1".into()]));
    it.jobs.clear();
    it.pods_alive = true;
    assert!(matches!(decide(&it), Step::Wait(_)));
    it.pods_alive = false;
    assert_eq!(decide(&it), Step::Look(Lookup::Stored));
    it.stored = Some(Stored::Nothing);
    assert_eq!(reason(&decide(&it)), FailureReason::Cancelled);
}

#[test]
fn a_build_that_committed_before_its_cancellation_is_archived_as_what_it_is() {
    let mut it = facts();
    it.cancel = true;
    it.stored = Some(Stored::Final(result(None)));
    assert_eq!(decide(&it), Step::Archive(result(None)));
}

#[test]
fn a_first_boot_script_that_never_comes_fails_the_build_without_a_turn() {
    let mut it = facts();
    it.private = true;
    assert_eq!(decide(&it), Step::Look(Lookup::Secret));
    it.secret = Some(false);
    assert!(matches!(decide(&it), Step::Queue { again: Some(_) }));
    it.now = NOW + seconds(120);
    assert_eq!(reason(&decide(&it)), FailureReason::DefaultsMissing);
}

#[test]
fn a_cache_that_keeps_failing_fails_the_builds_that_wait_for_it() {
    let mut it = facts();
    it.cache = CacheFact::NotReady { failures: 2, reason: "BadSignature".into() };
    assert_eq!(decide(&it), Step::Queue { again: None });
    it.cache = CacheFact::NotReady { failures: 3, reason: "BadSignature".into() };
    assert_eq!(reason(&decide(&it)), FailureReason::CacheFailed);
}

#[test]
fn a_verdict_whose_record_is_missing_stands() {
    let mut it = facts();
    it.status = with(it.status, "Succeeded", false, "Cancelled");
    it.stored = Some(Stored::Nothing);
    assert_eq!(reason(&decide(&it)), FailureReason::Cancelled);
}

#[test]
fn an_archived_build_loses_its_jobs_then_its_object_after_its_time() {
    let mut it = facts();
    it.status = with(it.status, "Succeeded", true, "Succeeded");
    it.status = with(it.status, "Archived", true, "Archived");
    it.status.times = Some(BuildTimes { archived_at: Some(Time(NOW)), ..BuildTimes::default() });
    it.jobs = vec![job(1, JobState::Complete, None)];
    assert_eq!(decide(&it), Step::DeleteJobs(vec!["j-1".into()]));
    it.jobs.clear();
    assert_eq!(decide(&it), Step::Wait(seconds(3600)));
    it.now = NOW + seconds(3600);
    assert_eq!(decide(&it), Step::DeleteObject);
    it.deleted = true;
    assert_eq!(decide(&it), Step::LetGo);
    it.finalizer = false;
    assert_eq!(decide(&it), Step::Rest);
}

#[test]
fn an_abandoned_build_goes_without_a_record() {
    let mut it = facts();
    (it.deleted, it.abandon) = (true, true);
    assert_eq!(decide(&it), Step::LetGo);
}

#[test]
fn a_refused_build_is_never_built_and_goes_when_deleted() {
    let mut it = facts();
    it.status.resolved = None;
    assert_eq!(decide(&it), Step::Look(Lookup::Validity));
    it.validity = Some(Err("no".into()));
    assert_eq!(decide(&it), Step::Refuse("no".into()));
    it.deleted = true;
    assert_eq!(decide(&it), Step::LetGo);
}

fn job_states() -> impl Strategy<Value = JobState> {
    prop_oneof![
        Just(JobState::Active),
        Just(JobState::Complete),
        Just(JobState::Failed),
        Just(JobState::Deadline)
    ]
}

fn stores() -> impl Strategy<Value = Option<Stored>> {
    prop_oneof![
        Just(None),
        Just(Some(Stored::Nothing)),
        Just(Some(Stored::Final(result(None)))),
        Just(Some(Stored::Attempt(result(Some(FailureReason::NoSpace))))),
        Just(Some(Stored::Bad("bad".into()))),
    ]
}

prop_compose! {
    fn any_facts()(
        flags in proptest::array::uniform5(any::<bool>()),
        jobs in proptest::collection::vec(job_states(), 0..4),
        stored in stores(),
        turn in prop_oneof![Just(None), Just(Some(Turn::Waits)), Just(Some(Turn::Admitted))],
        attempt in proptest::option::of(0_u32..4),
        archived: bool,
        now in 0_i64..100_000,
    ) -> Facts {
        let [deleted, cancel, abandon, finalizer, pods_alive] = flags;
        let mut it = Facts { deleted, cancel, abandon, finalizer, pods_alive, stored, turn, ..facts() };
        it.jobs = (1..).zip(jobs).map(|(n, state)| job(n, state, None)).collect();
        it.status.attempt = attempt;
        it.now = NOW + seconds(now);
        if archived {
            it.status = with(it.status, "Archived", true, "Archived");
        }
        it
    }
}

proptest! {
    #[test]
    fn there_are_never_two_active_jobs(it in any_facts()) {
        if matches!(decide(&it), Step::CreateJob { .. }) {
            let newest = it.jobs.iter().max_by_key(|job| job.attempt);
            prop_assert!(newest.is_none_or(|job| job.state != JobState::Active));
            prop_assert!(!it.deleted && !it.cancel);
            prop_assert_eq!(it.turn, Some(Turn::Admitted));
            prop_assert!(!matches!(it.stored, None | Some(Stored::Final(_))));
        }
    }

    #[test]
    fn an_archived_build_is_never_built_or_archived_again(it in any_facts()) {
        if is_true(&it.status.conditions, "Archived") {
            let step = decide(&it);
            let tidies = matches!(
                step,
                Step::DeleteJobs(_) | Step::LetGo | Step::Wait(_) | Step::DeleteObject | Step::Rest
            );
            prop_assert!(tidies, "{step:?}");
        }
    }

    #[test]
    fn nothing_is_let_go_without_a_record(it in any_facts()) {
        if decide(&it) == Step::LetGo {
            prop_assert!(it.deleted);
            prop_assert!(is_true(&it.status.conditions, "Archived") || it.abandon);
        }
    }

    #[test]
    fn every_question_is_answered_once(mut it in any_facts()) {
        for _ in 0..8 {
            match decide(&it) {
                Step::Look(Lookup::Stored) => it.stored = Some(Stored::Nothing),
                Step::Look(Lookup::Turn) => it.turn = Some(Turn::Admitted),
                Step::Look(Lookup::Secret) => it.secret = Some(true),
                Step::Look(Lookup::UnseenJob) => it.unseen_job = Some(false),
                Step::Look(Lookup::Validity) => it.validity = Some(Ok(Resolved::default())),
                _ => return Ok(()),
            }
        }
        prop_assert!(false, "it asks for ever");
    }
}
