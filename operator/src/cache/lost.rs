//! Decides on trees that were ready and are lost with their claim or their folder: pure.

use asu_core::cache::retry_after;
use asu_crds::{ImageBuilderCacheStatus, condition};
use jiff::{SignedDuration, Timestamp};

use super::{claim::Claim, decision::Decision, validate::Validated};

/// Reason of a cache whose claim is not usable.
pub const CLAIM_LOST: &str = "ClaimLost";
/// Reason of a cache whose tree a build did not find.
pub const TREE_LOST: &str = "TreeLost";
/// A tree that is lost again within this time is made again only after a pause.
const SOON: SignedDuration = SignedDuration::from_mins(10);

/// When a lost tree is made again, if not at once: a fault that loses every tree must not cause
/// endless downloads.
pub fn pause(status: &ImageBuilderCacheStatus, now: Timestamp) -> Option<Timestamp> {
    let losses = status.losses.filter(|losses| *losses > 0)?;
    let since = ready_since(status)?;
    if now.duration_since(since) >= SOON {
        return None;
    }
    now.checked_add(retry_after(losses)).ok()
}

/// When the tree that builds use became ready.
fn ready_since(status: &ImageBuilderCacheStatus) -> Option<Timestamp> {
    let ready =
        condition(&status.conditions, "Ready").filter(|condition| condition.status == "True");
    ready.map(|ready| ready.last_transition_time.0)
}

/// Whether a build that began at `began` was given the tree that is ready now. A tree that became
/// ready later is not affected by the build's report.
pub fn is_about(status: &ImageBuilderCacheStatus, tree: &str, began: Timestamp) -> bool {
    let same = status.place.as_ref().is_some_and(|place| place.sub_path == tree);
    same && ready_since(status).is_none_or(|since| began >= since)
}

/// Why a tree cannot be made on its claim. A missing claim of the cache's own is no reason, because
/// it is created; a claim that another object owns is reported when the creation fails.
pub fn blocked(valid: &Validated, claim: &Claim) -> Option<String> {
    match claim {
        Claim::Absent | Claim::Foreign if valid.own_claim => None,
        claim => claim.problem(&valid.place.claim_name, None),
    }
}

/// The decision to wait until an unusable claim is gone. The cache's own claim is deleted if its
/// volume is lost.
pub fn wait_for_deletion(valid: &Validated, claim: &Claim, problem: &str) -> Decision {
    let drop = (*claim == Claim::Lost).then(|| valid.place.claim_name.clone());
    Decision::ClaimGoing {
        drop,
        reason: CLAIM_LOST,
        message: format!("{problem}: a new claim is created when it is gone"),
    }
}
