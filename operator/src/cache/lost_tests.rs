//! Tests of lost trees, and of tries that begin earlier.

use asu_core::cache::retry_after;
use asu_crds::{ConditionFacts, set_condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    tests::{NOW, at, decided, job, nothing, ready_result, valid},
    *,
};
use crate::cache::{claim::Claim, lost::is_about, status::status, tries::job_name};

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

/// A status with a tree that has been ready for this time.
fn ready_for(span: SignedDuration) -> ImageBuilderCacheStatus {
    let mut status = at("new");
    status.claim_uid = Some("c".into());
    let facts = ConditionFacts {
        type_: "Ready",
        status: true.into(),
        reason: "Ready".into(),
        message: String::new(),
    };
    set_condition(&mut status.conditions, &facts, None, NOW - span);
    status
}

fn with(wanted: Claim) -> Observed {
    let mut observed = nothing();
    observed.claims.kept = wanted.clone();
    observed.claims.wanted = wanted;
    observed
}

fn own() -> Validated {
    Validated { own_claim: true, folder: None, ..valid("new") }
}

#[test]
fn a_tree_is_ready_only_while_the_same_claim_is_usable() {
    let old = ready_for(seconds(9999));
    assert!(matches!(decided(&old, &nothing()), Decision::Ready { .. }));
    let other = Claim::Usable("other".into());
    for claim in [Claim::Absent, Claim::Deleting, Claim::Lost, Claim::Foreign, other] {
        let mut observed = with(claim);
        observed.populates = vec![job("populate", JobState::Complete, Some(ready_result()))];
        observed.prunes = vec![job("prune", JobState::Active, None)];
        let decision = decided(&old, &observed);
        let Decision::Lost { jobs, retry_at, .. } = &decision else { panic!("{decision:?}") };
        assert_eq!((jobs.as_slice(), *retry_at), (&["populate".into(), "prune".into()][..], None));
        let new = status(&old, None, &valid("new"), &decision, None, NOW);
        assert_eq!((new.place, new.losses), (None, Some(1)));
        assert!(!asu_crds::is_true(&new.conditions, "Ready"));
    }
}

#[test]
fn the_success_of_a_lost_tree_does_not_count_for_the_next_one() {
    let mut observed = nothing();
    let made = job_name("n", "u", "new", 0);
    observed.populates = vec![job(&made, JobState::Complete, Some(ready_result()))];
    let lost = ImageBuilderCacheStatus { losses: Some(1), ..Default::default() };
    let found = decided(&lost, &observed);
    assert!(matches!(&found, Decision::Populate { job, .. } if *job != made), "{found:?}");
}

#[test]
fn a_tree_that_is_lost_again_soon_is_created_after_a_pause() {
    let again = |ready: SignedDuration| {
        let old = ImageBuilderCacheStatus { losses: Some(2), ..ready_for(ready) };
        let Decision::Lost { retry_at, .. } = decided(&old, &with(Claim::Lost)) else { panic!() };
        retry_at
    };
    assert_eq!(again(seconds(5)), Some(NOW + retry_after(2)));
    assert_eq!(again(seconds(3600)), None);
}

#[test]
fn a_report_of_a_build_concerns_only_the_tree_that_it_mounted() {
    let status = ready_for(seconds(60));
    assert!(is_about(&status, "new", NOW - seconds(60)));
    assert!(!is_about(&status, "new", NOW - seconds(61)), "it was given the one before");
    assert!(!is_about(&status, "other", NOW));
}

#[test]
fn an_own_claim_without_a_volume_is_deleted_and_waited_for() {
    let none = ImageBuilderCacheStatus::default();
    let found = |claim| decide("n", "u", &own(), &none, &with(claim), NOW);
    assert!(matches!(found(Claim::Deleting), Decision::ClaimGoing { drop: None, .. }));
    assert!(matches!(found(Claim::Lost), Decision::ClaimGoing { drop: Some(_), .. }));
    assert!(matches!(found(Claim::Absent), Decision::Populate { .. }));
}

#[test]
fn a_missing_shared_claim_is_a_failure_until_it_exists_again() {
    let none = ImageBuilderCacheStatus::default();
    let decision = decided(&none, &with(Claim::Absent));
    let failed = status(&none, None, &valid("new"), &decision, None, NOW);
    assert_eq!((failed.reason.as_deref(), failed.failures), (Some("ClaimLost"), Some(1)));
    assert!(matches!(decided(&failed, &with(Claim::Absent)), Decision::Waiting { .. }));
    assert!(matches!(decided(&failed, &nothing()), Decision::Populate { .. }));
}

#[test]
fn a_job_that_fills_a_deleted_claim_is_stopped() {
    let mut observed = with(Claim::Deleting);
    observed.populates = vec![job(&job_name("n", "u", "new", 0), JobState::Active, None)];
    let found = decide("n", "u", &own(), &ImageBuilderCacheStatus::default(), &observed, NOW);
    assert!(matches!(found, Decision::Failed { reason, .. } if reason == "ClaimLost"));
}

#[test]
fn a_deleted_job_is_reported_after_its_pod_has_ended() {
    let expected = job_name("n", "u", "new", 0);
    let made = ImageBuilderCacheStatus { job_name: Some(expected), ..Default::default() };
    let mut observed = nothing();
    observed.strays = true;
    assert_eq!(decided(&made, &observed), Decision::Clearing { jobs: vec![] });
    observed.strays = false;
    let found = decided(&made, &observed);
    assert!(matches!(found, Decision::Failed { reason, .. } if reason == "JobDeleted"));
}

#[test]
fn a_suspended_job_and_a_job_without_a_pod_are_reported() {
    let name = job_name("n", "u", "new", 0);
    let said = |job| {
        let mut observed = nothing();
        observed.populates = vec![job];
        let found = decided(&ImageBuilderCacheStatus::default(), &observed);
        let Decision::Populating { trouble, .. } = found else { panic!("{found:?}") };
        trouble.map(|(reason, _)| reason)
    };
    let active = || job(&name, JobState::Active, None);
    assert_eq!(said(JobSeen { suspended: true, ..active() }), Some("Suspended"));
    assert_eq!(said(JobSeen { begun: Some(NOW), ..active() }), None);
    assert_eq!(said(JobSeen { begun: Some(NOW - SETTLED), ..active() }), Some("NoPod"));
}

#[test]
fn a_new_build_brings_the_next_attempt_of_a_cache_forward() {
    let retry_at = NOW + seconds(300);
    let failed_at = retry_at - retry_after(9);
    let backs_off = ImageBuilderCacheStatus {
        failures: Some(9),
        retry_at: Some(Time(retry_at)),
        ..Default::default()
    };
    let came = |newest| decided(&backs_off, &Observed { newest, ..nothing() });
    assert_eq!(came(None), Decision::Waiting { until: retry_at });
    assert_eq!(came(Some(failed_at - seconds(1))), Decision::Waiting { until: retry_at });
    assert!(matches!(came(Some(failed_at)), Decision::Populate { .. }));
    // At most one try in ten seconds, however many builds are created.
    let now = failed_at + seconds(4);
    let soon = decide(
        "n",
        "u",
        &valid("new"),
        &backs_off,
        &Observed { newest: Some(now), ..nothing() },
        now,
    );
    assert_eq!(soon, Decision::Waiting { until: failed_at + retry_after(1) });
}
