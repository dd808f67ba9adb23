use asu_core::result::{PopulateFailure, PopulateResult};
use asu_crds::CachePlace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::cache::{
    claim::{Claim, Claims},
    tries::job_name,
};

pub(in crate::cache) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub(in crate::cache) fn valid(tree: &str) -> Validated {
    let plan = serde_json::from_value(serde_json::json!({
        "schema": 1, "uid": "u", "version": "1", "target": "a/b", "fetchUrls": [],
        "targetPath": "p", "keys": [], "file": "f",
        "sha256": "0".repeat(64), "builderImage": "i", "maxDownloadBytes": 1,
        "maxTreeBytes": 1, "maxEntries": 1, "seconds": 1
    }))
    .unwrap();
    Validated {
        place: CachePlace { claim_name: "c".into(), sub_path: tree.into() },
        own_claim: false,
        folder: Some("n".into()),
        claim_bytes: 0,
        max_claim_bytes: 0,
        suspended: false,
        refresh: None,
        builder_image: "i".into(),
        plan: Some(plan),
    }
}

pub(in crate::cache) fn job(
    name: &str,
    state: JobState,
    result: Option<PopulateResult>,
) -> JobSeen {
    JobSeen {
        name: name.into(),
        state,
        tree: None,
        replaces: None,
        result,
        pod: None,
        alive: false,
        ended: None,
        suspended: false,
        begun: None,
    }
}

/// An observation with usable claims and nothing else.
pub(in crate::cache) fn nothing() -> Observed {
    let claim = Claim::Usable("c".into());
    let claims = Claims { wanted: claim.clone(), kept: claim };
    Observed { claims, ..Observed::default() }
}

pub(in crate::cache) fn at(place: &str) -> ImageBuilderCacheStatus {
    let place = CachePlace { claim_name: "c".into(), sub_path: place.into() };
    ImageBuilderCacheStatus { place: Some(place), ..ImageBuilderCacheStatus::default() }
}

pub(in crate::cache) fn decided(status: &ImageBuilderCacheStatus, observed: &Observed) -> Decision {
    decide("n", "u", &valid("new"), status, observed, NOW)
}

pub(in crate::cache) fn seen(job: JobSeen) -> Observed {
    Observed { populates: vec![job], ..nothing() }
}

pub(in crate::cache) fn ready_result() -> PopulateResult {
    PopulateResult {
        schema: RESULT_SCHEMA,
        failure: None,
        detail: String::new(),
        revision: "r1".into(),
        bytes: 5,
    }
}

#[test]
fn a_cache_without_a_tree_is_populated() {
    let found = decided(&ImageBuilderCacheStatus::default(), &nothing());
    let job = job_name("n", "u", "new", 0);
    assert_eq!(found, Decision::Populate { job, replaces: None });
}

#[test]
fn another_builder_image_creates_a_new_tree_beside_the_old_one() {
    let found = decided(&at("old"), &nothing());
    let job = job_name("n", "u", "new", 0);
    assert_eq!(found, Decision::Populate { job, replaces: Some("old".into()) });
}

#[test]
fn a_tree_is_usable_although_its_version_was_removed_meanwhile() {
    let gone = Validated { plan: None, ..valid("new") };
    let done = Decision::Done { result: ready_result() };
    let old = ImageBuilderCacheStatus::default();
    let new = crate::cache::status::status(&old, None, &gone, &done, None, NOW);
    assert_eq!((new.place, new.builder_image.as_deref()), (Some(gone.place), Some("i")));
}

#[test]
fn a_failed_job_counts_as_active_until_its_pod_has_ended() {
    let name = job_name("n", "u", "new", 0);
    let ending = JobSeen { alive: true, ..job(&name, JobState::Failed, None) };
    let found = decided(&ImageBuilderCacheStatus::default(), &seen(ending));
    assert_eq!(found, Decision::Populating { job: name, trouble: None });
}

#[test]
fn the_failure_of_the_pod_is_reported_and_tried_again_later() {
    let name = job_name("n", "u", "new", 0);
    let result = PopulateResult::failed(PopulateFailure::BadSignature, "by nobody");
    let found = decided(
        &ImageBuilderCacheStatus::default(),
        &seen(job(&name, JobState::Failed, Some(result))),
    );
    let Decision::Failed { reason, message, retry_at, failures, .. } = found else { panic!() };
    assert_eq!((reason.as_str(), message.as_str(), failures), ("BadSignature", "by nobody", 1));
    assert_eq!(retry_at, NOW + SignedDuration::from_secs(10));
}

#[test]
fn no_job_is_created_before_the_pause_ends() {
    let later = NOW + SignedDuration::from_secs(5);
    let status = ImageBuilderCacheStatus {
        failures: Some(1),
        retry_at: Some(Time(later)),
        ..ImageBuilderCacheStatus::default()
    };
    assert_eq!(decided(&status, &nothing()), Decision::Waiting { until: later });
}

#[test]
fn a_job_that_completed_without_a_result_has_failed() {
    let name = job_name("n", "u", "new", 0);
    let found =
        decided(&ImageBuilderCacheStatus::default(), &seen(job(&name, JobState::Complete, None)));
    assert!(matches!(found, Decision::Failed { reason, .. } if reason == "Internal"));
}

#[test]
fn the_job_of_an_earlier_attempt_is_ignored() {
    let name = job_name("n", "u", "new", 0);
    let status =
        ImageBuilderCacheStatus { failures: Some(1), ..ImageBuilderCacheStatus::default() };
    let found = decided(&status, &seen(job(&name, JobState::Failed, None)));
    assert!(matches!(found, Decision::Populate { job, .. } if job != name));
}

#[test]
fn a_finished_tree_becomes_the_tree_of_the_cache() {
    let name = job_name("n", "u", "new", 0);
    let observed = seen(job(&name, JobState::Complete, Some(ready_result())));
    let found = decided(&at("old"), &observed);
    assert_eq!(found, Decision::Done { result: ready_result() });
}

#[test]
fn an_old_tree_is_deleted_after_its_last_build() {
    let mut observed = seen(JobSeen {
        replaces: Some("old".into()),
        ..job("populate", JobState::Complete, Some(ready_result()))
    });
    observed.mounted.insert("old".into());
    let found = decided(&at("new"), &observed);
    assert_eq!(found, Decision::Ready { tidy: vec![], again: Some(LINGER) });
    observed.mounted.clear();
    let prune = Cleanup::PruneTree { tree: "old".into() };
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy: vec![prune], again: None });
    observed
        .prunes
        .push(JobSeen { replaces: Some("old".into()), ..job("prune", JobState::Complete, None) });
    let both = ["populate", "prune"].map(|name| Cleanup::DeleteJob(name.into())).to_vec();
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy: both, again: None });
}

#[test]
fn changing_the_builder_image_back_keeps_the_tree_in_use() {
    let taken_back = |state| JobSeen {
        tree: Some("never used".into()),
        replaces: Some("new".into()),
        ..job("populate", state, None)
    };
    let running = seen(taken_back(JobState::Active));
    assert_eq!(decided(&at("new"), &running), Decision::Ready { tidy: vec![], again: None });
    for state in [JobState::Complete, JobState::Failed, JobState::Deadline] {
        let mut observed = seen(taken_back(state));
        let prune = Cleanup::PruneTree { tree: "never used".into() };
        let found = decided(&at("new"), &observed);
        assert_eq!(found, Decision::Ready { tidy: vec![prune], again: None });
        observed.populates[0].tree = None;
        let only_its_job = vec![Cleanup::DeleteJob("populate".into())];
        let found = decided(&at("new"), &observed);
        assert_eq!(found, Decision::Ready { tidy: only_its_job, again: None });
    }
}

#[test]
fn a_tree_is_not_filled_while_the_old_one_in_its_folder_is_deleted() {
    let mut prune =
        JobSeen { replaces: Some("new".into()), ..job("prune", JobState::Active, None) };
    let clearing =
        |job: &JobSeen| decided(&at("old"), &Observed { prunes: vec![job.clone()], ..nothing() });
    assert_eq!(clearing(&prune), Decision::Clearing { jobs: vec![] });
    prune.state = JobState::Complete;
    assert_eq!(clearing(&prune), Decision::Clearing { jobs: vec!["prune".into()] });
    prune.replaces = Some("other".into());
    assert!(matches!(clearing(&prune), Decision::Populate { .. }));
}

#[test]
fn the_success_of_a_deleted_tree_does_not_count_for_the_next_one() {
    let made = JobSeen {
        tree: Some("new".into()),
        ..job(&job_name("n", "u", "new", 0), JobState::Complete, Some(ready_result()))
    };
    let prune = JobSeen { replaces: Some("new".into()), ..job("p", JobState::Complete, None) };
    let mut observed = seen(made.clone());
    observed.prunes.push(prune);
    let jobs = vec![made.name.clone(), "p".into()];
    assert_eq!(decided(&at("old"), &observed), Decision::Clearing { jobs });
    observed.prunes[0].state = JobState::Active;
    assert_eq!(decided(&at("old"), &observed), Decision::Clearing { jobs: vec![made.name] });
}

#[test]
fn every_tree_of_earlier_builder_images_is_deleted() {
    let of = |name: &str, tree: &str, replaces: &str| JobSeen {
        tree: Some(tree.into()),
        replaces: Some(replaces.into()),
        ..job(name, JobState::Complete, Some(ready_result()))
    };
    let mut observed = Observed {
        populates: vec![of("first", "second", "first"), of("third", "new", "second")],
        ..nothing()
    };
    let prune = |tree: &str| Cleanup::PruneTree { tree: tree.into() };
    let both = Decision::Ready { tidy: vec![prune("first"), prune("second")], again: None };
    assert_eq!(decided(&at("new"), &observed), both);
    let done = |name: &str, tree: &str| JobSeen {
        replaces: Some(tree.into()),
        ..job(name, JobState::Complete, None)
    };
    observed.prunes.push(done("p2", "second"));
    // The Job whose annotation names the first tree is kept until that tree is removed too.
    let tidy = vec![Cleanup::DeleteJob("third".into()), prune("first")];
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy, again: None });
    observed.prunes.push(done("p1", "first"));
    let all = ["first", "third", "p2", "p1"].map(|name| Cleanup::DeleteJob(name.into())).to_vec();
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy: all, again: None });
}

#[test]
fn a_tree_that_was_replaced_recently_is_kept() {
    let replaced = JobSeen {
        tree: Some("new".into()),
        replaces: Some("old".into()),
        ..job("populate", JobState::Complete, Some(ready_result()))
    };
    let waits = Decision::Ready { tidy: vec![], again: Some(LINGER) };
    let mut observed = seen(replaced);
    observed.switched = true;
    assert_eq!(decided(&at("new"), &observed), waits);
    observed.switched = false;
    observed.populates[0].ended = Some(NOW);
    assert_eq!(decided(&at("new"), &observed), waits);
    observed.populates[0].ended = Some(NOW - LINGER);
    let prune = Cleanup::PruneTree { tree: "old".into() };
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy: vec![prune], again: None });
    observed.populates[0].alive = true;
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy: vec![], again: None });
}

#[test]
fn a_failed_deletion_of_a_tree_is_tried_again_after_a_pause() {
    let replaced = JobSeen {
        replaces: Some("old".into()),
        ..job("populate", JobState::Complete, Some(ready_result()))
    };
    let failed = |ended| JobSeen {
        replaces: Some("old".into()),
        ended: Some(ended),
        ..job("prune", JobState::Failed, None)
    };
    let mut observed = seen(replaced);
    observed.prunes.push(failed(NOW));
    let waits = Decision::Ready { tidy: vec![], again: Some(LINGER) };
    assert_eq!(decided(&at("new"), &observed), waits);
    observed.prunes = vec![failed(NOW - LINGER)];
    let anew = vec![Cleanup::DeleteJob("prune".into()), Cleanup::PruneTree { tree: "old".into() }];
    assert_eq!(decided(&at("new"), &observed), Decision::Ready { tidy: anew, again: None });

    let folder = |ended| JobSeen { replaces: Some("n".into()), ..failed(ended) };
    let removing = |ended| Observed { prunes: vec![folder(ended)], ..nothing() };
    assert_eq!(removal(&valid("t"), &removing(NOW), true, NOW), Removal::Pruning);
    let again = Removal::PruneFolder { folder: "n".into(), failed: Some("prune".into()) };
    assert_eq!(removal(&valid("t"), &removing(NOW - LINGER), true, NOW), again);
}

#[test]
fn a_cache_without_a_distribution_keeps_its_tree_and_creates_no_other() {
    let orphan = Validated { plan: None, ..valid("new") };
    let status = at("new");
    let found = decide("n", "u", &orphan, &status, &nothing(), NOW);
    assert_eq!(found, Decision::Ready { tidy: vec![], again: None });
    let none = ImageBuilderCacheStatus::default();
    let found = decide("n", "u", &orphan, &none, &nothing(), NOW);
    assert_eq!(found, Decision::Orphaned);
}

#[test]
fn a_cache_in_use_is_not_deleted() {
    let observed = Observed { users: 1, ..nothing() };
    assert_eq!(removal(&valid("t"), &observed, true, NOW), Removal::InUse);
}

#[test]
fn the_folder_on_a_shared_claim_is_deleted_before_the_object() {
    let mut observed = nothing();
    let prune = Removal::PruneFolder { folder: "n".into(), failed: None };
    assert_eq!(removal(&valid("t"), &observed, true, NOW), prune);
    observed
        .prunes
        .push(JobSeen { replaces: Some("n".into()), ..job("p", JobState::Complete, None) });
    assert_eq!(
        removal(&valid("t"), &observed, true, NOW),
        Removal::RemoveFinalizer { own_claim: false }
    );
}

#[test]
fn no_prune_job_is_created_on_a_missing_claim() {
    let found = removal(&valid("t"), &nothing(), false, NOW);
    assert_eq!(found, Removal::RemoveFinalizer { own_claim: false });
}

#[test]
fn names_of_jobs_fit_and_differ_by_attempt() {
    let long = "a".repeat(60);
    let names: Vec<_> = (0..3).map(|failures| job_name(&long, "u", "t", failures)).collect();
    assert!(names.iter().all(|name| name.len() <= 63));
    assert_ne!(names[0], names[1]);
    assert_ne!(names[1], names[2]);
}
