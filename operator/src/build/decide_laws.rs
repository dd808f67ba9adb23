//! What holds whatever the facts are.

use asu_crds::Resolved;
use proptest::prelude::*;

use super::{
    super::place::{Standing, standing},
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
        let mut it =
            Facts { deleted, cancel, abandon, finalizer, pods_alive, cache, stored, turn, ..facts() };
        it.jobs = (1..)
            .zip(jobs)
            .map(|(n, (state, suspended))| JobFact { suspended, ..job(n, state, None) })
            .collect();
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
    fn a_place_is_held_only_by_what_runs_or_creates_its_job_now(it in any_facts()) {
        let step = decide(&it);
        if standing(&it, &step) == Standing::Place {
            let creates = matches!(step, Step::CreateJob { .. });
            prop_assert!(creates || it.runs(), "{step:?}");
            prop_assert!(!creates || it.turn == Some(Turn::Admitted));
        }
    }

    #[test]
    fn what_runs_has_a_place_until_it_ended(it in any_facts()) {
        let step = decide(&it);
        let looks = matches!(step, Step::Look(_));
        let ends = matches!(
            step,
            Step::Archive(_) | Step::Fail(_) | Step::Refuse(_) | Step::DeleteJobs(_) | Step::LetGo
                | Step::DeleteObject | Step::Rest
        );
        let archived = is_true(&it.status.conditions, "Archived");
        let active = it.jobs.last().is_some_and(JobFact::is_under_way);
        if active && !looks && !ends && !archived {
            prop_assert_eq!(standing(&it, &step), Standing::Place, "{:?}", step);
        }
    }

    #[test]
    fn who_stands_in_line_can_start(it in any_facts()) {
        let step = decide(&it);
        if standing(&it, &step) == Standing::Queue {
            prop_assert!(matches!(it.cache, CacheFact::Ready { .. }), "{step:?}");
            prop_assert!(!it.jobs.last().is_some_and(JobFact::is_under_way));
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
