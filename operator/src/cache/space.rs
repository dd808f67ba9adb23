//! Decides what happens when the volume of a cache is full: the cache's own claim is replaced by a
//! larger one, and a volume that cannot grow is reported: pure.

use asu_core::result::PopulateFailure;
use asu_crds::ImageBuilderCacheStatus;

use super::{claim::Claim, decision::Decision, full_claim::FullClaim, validate::Validated};

/// Reason of a cache whose volume is full.
pub const NO_SPACE: &str = "NoSpace";

/// What follows from a failure. `None` if its reason is another one, or the claim cannot be
/// replaced: it is shared, has its maximum size, or contains the tree that builds use.
pub fn full_claim(
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
    claim: &Claim,
    reason: &str,
) -> Option<FullClaim> {
    let next = valid.claim_bytes.saturating_mul(2).min(valid.max_claim_bytes);
    let grows = valid.own_claim && status.place.is_none() && next > valid.claim_bytes;
    let uid = claim.uid().filter(|_| is_no_space(reason) && grows)?.clone();
    Some(FullClaim { uid, next })
}

fn is_no_space(reason: &str) -> bool {
    reason == PopulateFailure::NoSpace.as_str()
}

/// The message of a failure, with what the operator does, or people can do, about a full volume.
pub fn explain(
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
    full: Option<&FullClaim>,
    (reason, message): (&str, String),
) -> String {
    if !is_no_space(reason) {
        return message;
    }
    let claim = &valid.place.claim_name;
    let consequence = match full {
        Some(full) => format!("the next claim has {} bytes", full.next),
        None if !valid.own_claim => format!(
            "the claim {claim} is shared by all caches: enlarge it, delete caches, or lower \
             cache.maxBytes"
        ),
        None if status.place.is_some() => format!(
            "the claim {claim} also contains the tree in use: enlarge it, or delete this cache"
        ),
        None => format!("the claim {claim} has the size of cache.maxSize"),
    };
    format!("{message}; {consequence}")
}

/// The decision to delete a claim that was full, and to wait until it is gone.
pub fn make_room(
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
    claim: &Claim,
) -> Option<Decision> {
    let full = status.full_claim_uid.as_ref().filter(|_| valid.own_claim)?;
    let drop = match claim {
        Claim::Usable(uid) if uid == full => Some(valid.place.claim_name.clone()),
        Claim::Deleting => None,
        _ => return None,
    };
    let (name, bytes) = (&valid.place.claim_name, valid.claim_bytes);
    let message = format!("the claim {name} was full: one of {bytes} bytes takes its place");
    Some(Decision::ClaimGoing { drop, reason: NO_SPACE, message })
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
