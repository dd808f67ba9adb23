//! Trees that were ready and are not there any more: pure.

use asu_core::cache::retry_after;
use asu_crds::{ImageBuilderCacheStatus, condition};
use jiff::{SignedDuration, Timestamp};

use super::{claim::Claim, decision::Decision, validate::Validated};

/// Reason of a cache whose claim is not usable.
pub const CLAIM_LOST: &str = "ClaimLost";
/// Reason of a cache whose tree a build did not find.
pub const TREE_LOST: &str = "TreeLost";
/// A tree that is lost again so soon is made again only after a pause.
const SOON: SignedDuration = SignedDuration::from_mins(10);

/// When a lost tree is made anew, if not at once: what loses every tree must not have it fetched over
/// and over.
pub fn pause(status: &ImageBuilderCacheStatus, now: Timestamp) -> Option<Timestamp> {
    let losses = status.losses.filter(|losses| *losses > 0)?;
    let since = ready_since(status)?;
    if now.duration_since(since) >= SOON {
        return None;
    }
    now.checked_add(retry_after(losses)).ok()
}

/// Since when the tree that builds use is ready.
fn ready_since(status: &ImageBuilderCacheStatus) -> Option<Timestamp> {
    let ready = condition(&status.conditions, "Ready").filter(|ready| ready.status == "True");
    ready.map(|ready| ready.last_transition_time.0)
}

/// Whether a build that began then was given the tree that is said to be ready now: one that was made
/// since is not to blame for the loss of the former.
pub fn is_about(status: &ImageBuilderCacheStatus, tree: &str, began: Timestamp) -> bool {
    let same = status.place.as_ref().is_some_and(|place| place.sub_path == tree);
    same && ready_since(status).is_none_or(|since| began >= since)
}

/// What keeps a tree from being made on the claim where it belongs. A claim of its own that is not
/// there is made; one of that name of another object is found when it should be.
pub fn blocked(valid: &Validated, claim: &Claim) -> Option<String> {
    match claim {
        Claim::Absent | Claim::Foreign if valid.own_claim => None,
        claim => claim.problem(&valid.place.claim_name, None),
    }
}

/// The claim that is not usable is waited for; one of its own that has no volume is deleted first.
pub fn going(valid: &Validated, claim: &Claim, problem: &str) -> Decision {
    let drop = (*claim == Claim::Lost).then(|| valid.place.claim_name.clone());
    Decision::ClaimGoing {
        drop,
        message: format!("{problem}: another one is made once it is gone"),
    }
}
