//! When the next try of a tree begins, and under which name: pure.

use asu_core::cache::retry_after;
use asu_crds::ImageBuilderCacheStatus;
use jiff::Timestamp;

use super::{lost::CLAIM_LOST, validate::Validated};

/// When a tree that could not be had is tried again. A build that came since the last try has it tried
/// at once, a short pause after that at the earliest; so does a claim that is usable again.
pub fn next_try(
    status: &ImageBuilderCacheStatus,
    blocked: bool,
    newest: Option<Timestamp>,
) -> Option<Timestamp> {
    let retry_at = status.retry_at.as_ref()?.0;
    let Some(failed_at) = failed_at(status) else { return Some(retry_at) };
    if status.reason.as_deref() == Some(CLAIM_LOST) && !blocked {
        return None;
    }
    let asked = newest.is_some_and(|came| came >= failed_at);
    let soon = failed_at.checked_add(retry_after(1)).ok().filter(|_| asked);
    Some(soon.map_or(retry_at, |soon| soon.min(retry_at)))
}

/// When the last try of a tree failed.
pub fn failed_at(status: &ImageBuilderCacheStatus) -> Option<Timestamp> {
    let retry_at = status.retry_at.as_ref()?.0;
    retry_at.checked_sub(retry_after(status.failures?)).ok()
}

/// The Job of the present try.
pub fn expected_job(
    name: &str,
    uid: &str,
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
) -> String {
    let failures = status.failures.unwrap_or_default();
    let mut tree = valid.place.sub_path.clone();
    // A Job that made a tree which was lost since is not taken for one of the next.
    if let Some(losses) = status.losses {
        tree = format!("{tree} after {losses}");
    }
    job_name(name, uid, &tree, failures)
}

/// `ibc-` + a readable part + eight digits that tell attempts and trees apart.
pub fn job_name(name: &str, uid: &str, tree: &str, failures: u32) -> String {
    let mut hasher = asu_core::digest::FieldHasher::new("asu.dev/populate/v1");
    hasher.field(uid).field(tree).field(&failures.to_string());
    let digest: String = hasher.finish().to_string().chars().take(8).collect();
    let readable: String = name.chars().take(40).collect();
    format!("ibc-{}-{digest}", readable.trim_matches('-'))
}
