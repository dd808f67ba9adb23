use asu_core::failure::FailureReason;

use super::{
    tests::{NOW, facts, seconds, with},
    *,
};

/// A build that requires a revision which the catalog does not have.
fn waiting() -> Facts {
    let mut build = facts();
    build.status.resolved = None;
    build.validity = Some(Err(Unaccepted::NotReadYet("r2 was not read yet".into())));
    build
}

#[test]
fn upstream_is_asked_for_a_revision_that_was_not_read_yet() {
    let mut build = waiting();
    assert_eq!(decide(&build), Step::Look(Lookup::Revision));
    build.revision = Some(SoughtRevision::Awaited);
    assert_eq!(decide(&build), Step::AwaitRevision("r2 was not read yet".into()));
    build.deleted = true;
    assert_eq!(decide(&build), Step::RemoveFinalizer);
}

#[test]
fn a_build_whose_revision_upstream_lacks_is_refused() {
    let mut build = waiting();
    build.revision = Some(SoughtRevision::Lacking("it has r1, not r2".into()));
    assert_eq!(decide(&build), Step::RefuseRevision("it has r1, not r2".into()));
}

#[test]
fn a_build_does_not_wait_for_upstream_for_ever() {
    let mut build = waiting();
    build.revision = Some(SoughtRevision::Awaited);
    build.now = NOW + REVISION_PATIENCE;
    let Step::RefuseRevision(problem) = decide(&build) else { panic!() };
    assert!(problem.contains("r2") && problem.contains("10 min"), "{problem}");
}

#[test]
fn a_build_that_waits_for_its_revision_can_be_cancelled() {
    let mut build = waiting();
    build.cancel = true;
    assert!(matches!(decide(&build), Step::Refuse(problem) if problem.contains("cancelled")));
}

#[test]
fn the_object_of_a_build_refused_for_its_revision_is_kept_for_a_minute() {
    let refused = |accepted: bool| {
        let mut build = facts();
        if !accepted {
            build.status.resolved = None;
        }
        let reason = FailureReason::RevisionMismatch.as_str();
        for (type_, holds) in [("Succeeded", false), ("Archived", true)] {
            build.status = with(build.status, type_, holds, reason);
        }
        decide(&build)
    };
    assert_eq!(refused(false), Step::Wait(TURNED_AWAY));
    assert_eq!(refused(true), Step::Wait(seconds(86_400)), "a build that ran is kept as any other");
}
