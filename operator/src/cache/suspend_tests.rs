use asu_crds::{CachePhase, condition};

use super::{
    tests::{NOW, at, job, nothing, ready_result, seen, valid},
    *,
};
use crate::cache::{claim::Claim, status::status, tries::job_name};

fn suspended() -> Validated {
    Validated { suspended: true, ..valid("new") }
}

fn decided(status: &ImageBuilderCacheStatus, observed: &Observed) -> Decision {
    decide("n", "u", &suspended(), status, observed, NOW)
}

#[test]
fn a_suspended_cache_is_neither_populated_nor_refreshed() {
    for old in [ImageBuilderCacheStatus::default(), at("old"), at("new")] {
        assert_eq!(decided(&old, &nothing()), Decision::Suspended);
    }
}

#[test]
fn suspending_does_not_interrupt_a_job_that_runs() {
    let name = job_name("n", "u", "new", 0);
    let old = ImageBuilderCacheStatus::default();
    let found = decided(&old, &seen(job(&name, JobState::Active, None)));
    assert!(matches!(found, Decision::Populating { .. }), "{found:?}");
    let found = decided(&old, &seen(job(&name, JobState::Complete, Some(ready_result()))));
    assert!(matches!(found, Decision::Done { .. }), "{found:?}");
}

#[test]
fn the_loss_of_a_suspended_tree_is_reported() {
    let mut observed = nothing();
    observed.claims.kept = Claim::Lost;
    assert!(matches!(decided(&at("new"), &observed), Decision::Lost { .. }));
}

#[test]
fn a_suspended_tree_that_is_ready_stays_in_use() {
    let shown = |old: &ImageBuilderCacheStatus| {
        let new = status(old, None, &suspended(), &Decision::Suspended, None, NOW);
        let holds = |type_| condition(&new.conditions, type_).unwrap().status.clone();
        assert_eq!(new.reason.as_deref(), Some("Suspended"));
        assert_eq!((holds("Reconciling"), holds("Stalled")), ("False".into(), "False".into()));
        (new.phase, holds("Ready"), new.place)
    };
    let old = at("old");
    assert_eq!(shown(&old), (Some(CachePhase::Ready), "True".into(), old.place.clone()));
    let none = ImageBuilderCacheStatus::default();
    assert_eq!(shown(&none), (Some(CachePhase::Pending), "False".into(), None));
}

#[test]
fn the_refresh_is_handled_when_the_new_tree_is_in_use() {
    let asked = Validated { refresh: Some("1".into()), ..valid("new") };
    let job = job_name("n", "u", "new", 0);
    let begun = Decision::Populate { job, replaces: Some("old".into()) };
    let old = status(&at("old"), None, &asked, &begun, None, NOW);
    assert_eq!(old.last_handled_refresh, None);
    let done = Decision::Done { result: ready_result() };
    let new = status(&old, None, &asked, &done, None, NOW);
    assert_eq!(new.last_handled_refresh.as_deref(), Some("1"));
    let lost = Decision::Lost { message: String::new(), jobs: Vec::new(), retry_at: None };
    let new = status(&new, None, &asked, &lost, None, NOW);
    assert_eq!(new.last_handled_refresh.as_deref(), Some("1"), "a loss is no refresh");
}
