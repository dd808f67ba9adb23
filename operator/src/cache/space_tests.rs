use asu_core::result::PopulateResult;

use super::*;
use crate::cache::{
    decide::{
        decide,
        tests::{NOW, at, job, nothing, seen, valid},
    },
    status::status,
    tries::job_name,
};
use crate::pods::verdict::JobState;

fn own() -> Validated {
    Validated { own_claim: true, folder: None, claim_bytes: 4, max_claim_bytes: 6, ..valid("new") }
}

/// The status after a populate pod found its volume full.
fn after(valid: &Validated, old: &ImageBuilderCacheStatus) -> ImageBuilderCacheStatus {
    let name = job_name("n", "u", "new", old.failures.unwrap_or_default());
    let result = PopulateResult::failed(PopulateFailure::NoSpace, "no space left");
    let observed = seen(job(&name, JobState::Failed, Some(result)));
    let decision = decide("n", "u", valid, old, &observed, NOW);
    status(old, None, valid, &decision, None, NOW)
}

fn message(status: &ImageBuilderCacheStatus) -> &str {
    status.message.as_deref().unwrap_or_default()
}

#[test]
fn a_full_claim_of_a_cache_is_replaced_by_a_larger_one_up_to_the_maximum() {
    let failed = after(&own(), &ImageBuilderCacheStatus::default());
    assert_eq!((failed.full_claim_uid.as_deref(), failed.claim_bytes), (Some("c"), Some(6)));
    assert_eq!(message(&failed), "no space left; the next claim has 6 bytes");

    let larger = Validated { claim_bytes: 6, ..own() };
    let later = failed.retry_at.as_ref().unwrap().0;
    let next = |claim| {
        let mut observed = nothing();
        observed.claims.wanted = claim;
        decide("n", "u", &larger, &failed, &observed, later)
    };
    let going = |found: Decision| match found {
        Decision::ClaimGoing { drop, reason: NO_SPACE, .. } => drop,
        other => panic!("{other:?}"),
    };
    assert_eq!(going(next(Claim::Usable("c".into()))), Some("c".into()));
    assert_eq!(going(next(Claim::Deleting)), None);
    for claim in [Claim::Absent, Claim::Usable("larger".into())] {
        assert!(matches!(next(claim), Decision::Populate { .. }));
    }

    let again = after(&larger, &failed);
    assert!(message(&again).ends_with("has the size of cache.maxSize"), "{}", message(&again));
    assert_eq!(again.full_claim_uid, None);
    assert_eq!(again.claim_bytes, Some(6), "a later claim must not be smaller");
}

#[test]
fn a_claim_is_not_replaced_if_others_need_it() {
    let shared = after(&valid("new"), &ImageBuilderCacheStatus::default());
    assert!(message(&shared).contains("is shared by all caches"), "{}", message(&shared));
    let in_use = after(&own(), &at("old"));
    assert!(message(&in_use).contains("contains the tree in use"), "{}", message(&in_use));
    for status in [shared, in_use] {
        assert_eq!((status.full_claim_uid, status.claim_bytes), (None, None));
        assert_eq!(status.reason.as_deref(), Some("NoSpace"));
    }
}
