//! Computes when the next try to make a tree begins, and the name of its Job: pure.

use asu_core::cache::retry_after;
use asu_crds::ImageBuilderCacheStatus;
use jiff::Timestamp;

use super::{lost::CLAIM_LOST, validate::Validated};

/// When a tree that could not be made is tried again. A build that was created after the last try
/// makes it earlier, but not before a short pause after that try; so does a claim that is usable
/// again.
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

/// When the last try to make a tree failed.
pub fn failed_at(status: &ImageBuilderCacheStatus) -> Option<Timestamp> {
    let retry_at = status.retry_at.as_ref()?.0;
    retry_at.checked_sub(retry_after(status.failures?)).ok()
}

/// Name of the Job of the current try.
pub fn expected_job(
    name: &str,
    uid: &str,
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
) -> String {
    let failures = status.failures.unwrap_or_default();
    let mut tree = valid.place.sub_path.clone();
    // The number of losses is part of the name, so that the Job of a lost tree is not taken for
    // that of the next one.
    if let Some(losses) = status.losses {
        tree = format!("{tree} after {losses}");
    }
    job_name(name, uid, &tree, failures)
}

/// Name of a Job: `ibc-` + a readable part + eight hexadecimal digits that differ by attempt and
/// tree.
pub fn job_name(name: &str, uid: &str, tree: &str, failures: u32) -> String {
    let mut hasher = asu_core::digest::FieldHasher::new("asu.dev/populate/v1");
    hasher.field(uid).field(tree).field(&failures.to_string());
    let digest: String = hasher.finish().to_string().chars().take(8).collect();
    let readable: String = name.chars().take(40).collect();
    format!("ibc-{}-{digest}", readable.trim_matches('-'))
}
