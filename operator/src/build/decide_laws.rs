//! Properties of decisions that hold for any facts.

use asu_crds::Resolved;
use proptest::prelude::*;

use super::{
    super::place::{QueueState, queue_state},
    tests::{NOW, facts, job, result, seconds, with},
    *,
};

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

fn caches() -> impl Strategy<Value = CacheFact> {
    prop_oneof![
        3 => Just(facts().cache),
        1 => Just(CacheFact::Absent),
        1 => Just(CacheFact::Deleting),
        1 => Just(CacheFact::NotReady { failures: 1, failed_at: None, reason: "ClaimLost".into() }),
    ]
}

prop_compose! {
    fn any_facts()(
        flags in proptest::array::uniform5(any::<bool>()),
        jobs in proptest::collection::vec((job_states(), any::<bool>()), 0..4),
        cache in caches(),
        stored in stores(),
        turn in prop_oneof![Just(None), Just(Some(Turn::Waits)), Just(Some(Turn::Admitted))],
        attempt in proptest::option::of(0_u32..4),
        archived: bool,
        now in 0_i64..100_000,
    ) -> Facts {
        let [deleted, cancel, abandon, finalizer, pods_alive] = flags;
        let mut facts =
            Facts { deleted, cancel, abandon, finalizer, pods_alive, cache, stored, turn, ..facts() };
        facts.jobs = (1..)
            .zip(jobs)
            .map(|(n, (state, suspended))| JobFact { suspended, ..job(n, state, None) })
            .collect();
        facts.status.attempt = attempt;
        facts.now = NOW + seconds(now);
        if archived {
            facts.status = with(facts.status, "Archived", true, "Archived");
        }
        facts
    }
}

proptest! {
    #[test]
    fn there_are_never_two_active_jobs(facts in any_facts()) {
        if matches!(decide(&facts), Step::CreateJob { .. }) {
            let newest = facts.jobs.iter().max_by_key(|job| job.attempt);
            prop_assert!(newest.is_none_or(|job| job.state != JobState::Active));
            prop_assert!(!facts.deleted && !facts.cancel);
            prop_assert_eq!(facts.turn, Some(Turn::Admitted));
            prop_assert!(!matches!(facts.stored, None | Some(Stored::Final(_))));
        }
    }

    #[test]
    fn only_builds_that_run_or_create_a_job_have_a_place(facts in any_facts()) {
        let step = decide(&facts);
        if queue_state(&facts, &step) == QueueState::HasPlace {
            let creates = matches!(step, Step::CreateJob { .. });
            prop_assert!(creates || facts.runs(), "{step:?}");
            prop_assert!(!creates || facts.turn == Some(Turn::Admitted));
        }
    }

    #[test]
    fn a_running_build_has_a_place_until_it_ends(facts in any_facts()) {
        let step = decide(&facts);
        let looks = matches!(step, Step::Look(_));
        let ends = matches!(
            step,
            Step::Archive(_) | Step::Fail(_) | Step::Refuse(_) | Step::DeleteJobs(_) | Step::RemoveFinalizer
                | Step::DeleteObject | Step::Rest
        );
        let archived = is_true(&facts.status.conditions, "Archived");
        let active = facts.jobs.last().is_some_and(JobFact::is_under_way);
        if active && !looks && !ends && !archived {
            prop_assert_eq!(queue_state(&facts, &step), QueueState::HasPlace, "{:?}", step);
        }
    }

    #[test]
    fn every_build_in_the_queue_can_start(facts in any_facts()) {
        let step = decide(&facts);
        if queue_state(&facts, &step) == QueueState::Waits {
            prop_assert!(matches!(facts.cache, CacheFact::Ready { .. }), "{step:?}");
            prop_assert!(!facts.jobs.last().is_some_and(JobFact::is_under_way));
        }
    }

    #[test]
    fn an_archived_build_is_never_built_or_archived_again(facts in any_facts()) {
        if is_true(&facts.status.conditions, "Archived") {
            let step = decide(&facts);
            let tidies = matches!(
                step,
                Step::DeleteJobs(_) | Step::RemoveFinalizer | Step::Wait(_) | Step::DeleteObject | Step::Rest
            );
            prop_assert!(tidies, "{step:?}");
        }
    }

    #[test]
    fn no_finalizer_is_removed_without_a_record(facts in any_facts()) {
        if decide(&facts) == Step::RemoveFinalizer {
            prop_assert!(facts.deleted);
            prop_assert!(is_true(&facts.status.conditions, "Archived") || facts.abandon);
        }
    }

    #[test]
    fn each_look_up_is_asked_once(mut facts in any_facts()) {
        for _ in 0..8 {
            match decide(&facts) {
                Step::Look(Lookup::Stored) => facts.stored = Some(Stored::Nothing),
                Step::Look(Lookup::Turn) => facts.turn = Some(Turn::Admitted),
                Step::Look(Lookup::Secret) => facts.secret = Some(true),
                Step::Look(Lookup::UnseenJob) => facts.unseen_job = Some(false),
                Step::Look(Lookup::Validity) => facts.validity = Some(Ok(Resolved::default())),
                _ => return Ok(()),
            }
        }
        prop_assert!(false, "it asks for ever");
    }
}
