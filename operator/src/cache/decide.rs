//! Decides the next step of a cache, also of one that is being deleted. Called by the controller;
//! pure.

use std::collections::BTreeSet;

use asu_core::{cache::retry_after, result::RESULT_SCHEMA};
use asu_crds::ImageBuilderCacheStatus;
use jiff::{SignedDuration, Timestamp};

use super::{
    decision::{Cleanup, Decision},
    dereference::{JobSeen, Observed, loss},
    lost::{CLAIM_LOST, blocked, pause, wait_for_deletion},
    space::{explain, full_claim, make_room},
    tries::{expected_job, next_try},
    validate::Validated,
};
use crate::pods::verdict::{JobState, PodState};

/// Minimum time that a replaced tree is kept: a build may be about to mount it.
pub const LINGER: SignedDuration = SignedDuration::from_secs(60);

/// Time after which a Job without a pod is reported: a new Job has none for a moment.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);

/// Decides on a cache that is not being deleted.
pub fn decide(
    name: &str,
    uid: &str,
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
    observed: &Observed,
    now: Timestamp,
) -> Decision {
    let tree = valid.place.sub_path.as_str();
    if let Some(decision) = lost_claim(status, observed, now) {
        return decision;
    }
    let failures = status.failures.unwrap_or_default();
    let expected = expected_job(name, uid, valid, status);
    // A Job that runs already is not interrupted.
    if valid.suspended && !observed.populates.iter().any(|job| job.name == expected) {
        return Decision::Suspended;
    }
    if status.place.as_ref() == Some(&valid.place) {
        return ready(tree, observed, now);
    }
    let blocked = blocked(valid, &observed.claims.wanted);
    // The builder image was changed back before its old tree was deleted.
    if let Some(prune) = observed.prunes.iter().find(|job| job.replaces.as_deref() == Some(tree)) {
        return cleared_for(tree, &expected, prune, observed);
    }
    if let Some(job) = observed.populates.iter().find(|job| job.name == expected) {
        return tried(job, valid, status, observed, now);
    }
    if let Some(until) = next_try(status, blocked.is_some(), observed.newest).filter(|at| *at > now)
    {
        return Decision::Waiting { until };
    }
    if let Some(decision) = make_room(valid, status, &observed.claims.wanted) {
        return decision;
    }
    if let Some(problem) = blocked {
        return if valid.own_claim {
            wait_for_deletion(valid, &observed.claims.wanted, &problem)
        } else {
            failed(&expected, failures, CLAIM_LOST, problem, now)
        };
    }
    if observed.strays {
        return Decision::Clearing { jobs: Vec::new() };
    }
    if valid.plan.is_none() {
        return Decision::Orphaned;
    }
    if status.job_name.as_ref() == Some(&expected) {
        return failed(&expected, failures, "JobDeleted", "the Job was deleted".to_owned(), now);
    }
    let replaces = status.place.as_ref().map(|place| place.sub_path.clone());
    Decision::Populate { job: expected, replaces }
}

/// A tree is being removed that is wanted again: Jobs that made it are in the way of a new one.
fn cleared_for(tree: &str, expected: &str, prune: &JobSeen, observed: &Observed) -> Decision {
    let made = |job: &&JobSeen| job.tree.as_deref() == Some(tree) || job.name == expected;
    let mut jobs: Vec<_> = observed.populates.iter().filter(made).map(named).collect();
    if prune.state != JobState::Active && !prune.alive {
        jobs.push(named(prune));
    }
    Decision::Clearing { jobs }
}

fn lost_claim(
    status: &ImageBuilderCacheStatus,
    observed: &Observed,
    now: Timestamp,
) -> Option<Decision> {
    let place = status.place.as_ref()?;
    let kept = &observed.claims.kept;
    let message = kept.problem(&place.claim_name, status.claim_uid.as_deref())?;
    let jobs = observed.populates.iter().chain(&observed.prunes).map(named).collect();
    Some(Decision::Lost { message, jobs, retry_at: pause(status, now) })
}

/// The decision on the Job of the current try, with what follows if its volume is full.
fn tried(
    job: &JobSeen,
    valid: &Validated,
    status: &ImageBuilderCacheStatus,
    observed: &Observed,
    now: Timestamp,
) -> Decision {
    let failures = status.failures.unwrap_or_default();
    // A pod that still mounts the former claim fills a tree that no build can use.
    let mut decision = match observed.claims.wanted.problem(&valid.place.claim_name, None) {
        Some(problem) => failed(&job.name, failures, CLAIM_LOST, problem, now),
        None => running(job, failures, now),
    };
    if let Decision::Failed { reason, message, full, .. } = &mut decision {
        *full = full_claim(valid, status, &observed.claims.wanted, reason);
        *message =
            explain(valid, status, full.as_ref(), (reason.as_str(), std::mem::take(message)));
    }
    decision
}

fn running(job: &JobSeen, failures: u32, now: Timestamp) -> Decision {
    let usable = job.result.as_ref().filter(|result| result.schema == RESULT_SCHEMA);
    match (job.state, usable) {
        (JobState::Active, _) => {
            Decision::Populating { job: job.name.clone(), trouble: trouble(job, now) }
        }
        // The Job is marked as failed, and its pod may write to the tree until its grace period is
        // over.
        (JobState::Failed | JobState::Deadline, _) if job.alive => {
            Decision::Populating { job: job.name.clone(), trouble: None }
        }
        (JobState::Complete, Some(result)) if result.failure.is_none() => {
            Decision::Done { result: result.clone() }
        }
        (_, result) => {
            let failure =
                result.and_then(|result| Some((result.failure?.as_str(), result.detail.clone())));
            let (reason, message) = failure.unwrap_or_else(|| loss(job));
            failed(&job.name, failures, reason, message, now)
        }
    }
}

fn trouble(job: &JobSeen, now: Timestamp) -> Option<(&'static str, String)> {
    if job.suspended {
        let message = "the populate Job is suspended: it has no pod until it is resumed";
        return Some(("Suspended", message.to_owned()));
    }
    match &job.pod {
        Some(PodState::Starting { problem: Some(problem) }) => {
            Some(("NotStarted", format!("{}: {}", problem.reason, problem.message)))
        }
        None if job.begun.is_some_and(|begun| now.duration_since(begun) >= SETTLED) => {
            Some(("NoPod", "the populate Job has no pod yet".to_owned()))
        }
        _ => None,
    }
}

/// The decision when Kubernetes refuses the claim or the Job, for example because of a quota.
pub fn refused(job: &str, failures: u32, message: String, now: Timestamp) -> Decision {
    failed(job, failures, "NotAccepted", message, now)
}

/// The decision after one more failure, when `before` consecutive ones were counted.
fn failed(job: &str, before: u32, reason: &str, message: String, now: Timestamp) -> Decision {
    let failures = before.saturating_add(1);
    Decision::Failed {
        job: job.to_owned(),
        reason: reason.to_owned(),
        message,
        retry_at: now.checked_add(retry_after(failures)).unwrap_or(Timestamp::MAX),
        failures,
        full: None,
    }
}

fn named(job: &JobSeen) -> String {
    job.name.clone()
}

fn ready(current: &str, observed: &Observed, now: Timestamp) -> Decision {
    let ended = |job: &&JobSeen| job.state != JobState::Active && !job.alive;
    let mut tidy = Vec::new();
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for job in observed.populates.iter().filter(ended) {
        let old = leftovers(job, current, observed);
        if old.iter().all(|tree| removal_of(tree, observed) == Some(JobState::Complete)) {
            tidy.push(Cleanup::DeleteJob(job.name.clone()));
        } else {
            open.extend(old);
        }
    }
    let mut again = None;
    for tree in &open {
        if lingers(tree, current, observed, now) {
            again = Some(LINGER);
        } else if removal_of(tree, observed).is_none() {
            tidy.push(Cleanup::PruneTree { tree: (*tree).to_owned() });
        }
    }
    for prune in observed.prunes.iter().filter(ended) {
        let needed = prune.replaces.as_deref().filter(|tree| open.contains(tree));
        match (prune.state, needed) {
            (JobState::Complete, Some(_)) => {}
            (JobState::Failed | JobState::Deadline, _) if !rested(prune, now) => {
                again = Some(LINGER);
            }
            // The prune Job is created again at once: another leader must not take an incomplete
            // tree for a complete one.
            (_, Some(tree)) => {
                tidy.push(Cleanup::DeleteJob(prune.name.clone()));
                tidy.push(Cleanup::PruneTree { tree: tree.to_owned() });
            }
            (_, None) => tidy.push(Cleanup::DeleteJob(prune.name.clone())),
        }
    }
    Decision::Ready { tidy, again }
}

/// The trees that no build can use once a Job has ended: its own if the builder image was set back
/// meanwhile, and the one that it replaced. Never a tree that is in use or being filled.
fn leftovers<'a>(job: &'a JobSeen, current: &str, observed: &Observed) -> Vec<&'a str> {
    let is_filled = |tree: &str| {
        let active =
            observed.populates.iter().filter(|populate| populate.state == JobState::Active);
        active.into_iter().any(|active| active.tree.as_deref() == Some(tree))
    };
    let both = [job.tree.as_deref(), job.replaces.as_deref()];
    both.into_iter().flatten().filter(|tree| *tree != current && !is_filled(tree)).collect()
}

/// The state of the Job that removes a tree, if there is one.
fn removal_of(tree: &str, observed: &Observed) -> Option<JobState> {
    let of_tree = |job: &&JobSeen| job.replaces.as_deref() == Some(tree);
    observed.prunes.iter().find(of_tree).map(|job| job.state)
}

/// Whether builds use a tree, or may be about to mount it because it was replaced only recently.
fn lingers(tree: &str, current: &str, observed: &Observed, now: Timestamp) -> bool {
    let speaks = |job: &&JobSeen| {
        let trees = [job.tree.as_deref(), job.replaces.as_deref()];
        trees.contains(&Some(tree)) || trees.contains(&Some(current))
    };
    let fresh = observed.populates.iter().filter(speaks).any(|job| !rested(job, now));
    observed.switched || fresh || observed.mounted.contains(tree)
}

/// Whether a Job's pod ended long enough ago for another try, as far as its end is known.
fn rested(job: &JobSeen, now: Timestamp) -> bool {
    job.ended.is_none_or(|ended| now.duration_since(ended) >= LINGER)
}

/// The next step of a cache that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Builds use it: wait until they have ended.
    InUse,
    /// Delete these Jobs first.
    StopJobs(Vec<String>),
    /// Create a Job that removes the folder of its trees from the shared claim.
    PruneFolder {
        /// Name of the folder.
        folder: String,
        /// An earlier Job for it that failed and is deleted first.
        failed: Option<String>,
    },
    /// Wait for the Job that removes the folder.
    Pruning,
    /// Remove the finalizer: nothing is left.
    RemoveFinalizer {
        /// Whether the cache's own claim is deleted too.
        own_claim: bool,
    },
}

/// Decides on a cache that is being deleted. `claim_there` says whether its claim still exists.
pub fn removal(
    valid: &Validated,
    observed: &Observed,
    claim_there: bool,
    now: Timestamp,
) -> Removal {
    if observed.users > 0 || !observed.mounted.is_empty() {
        return Removal::InUse;
    }
    if !observed.populates.is_empty() {
        return Removal::StopJobs(observed.populates.iter().map(|job| job.name.clone()).collect());
    }
    let Some(folder) = valid.folder.as_ref().filter(|_| claim_there) else {
        return Removal::RemoveFinalizer { own_claim: valid.own_claim };
    };
    let pruning = observed.prunes.iter().find(|job| job.replaces.as_ref() == Some(folder));
    let Some(job) = pruning else {
        return Removal::PruneFolder { folder: folder.clone(), failed: None };
    };
    match job.state {
        JobState::Active => Removal::Pruning,
        JobState::Complete => Removal::RemoveFinalizer { own_claim: false },
        // Deleting the Job triggers a pass at once, so the pause is before the deletion.
        JobState::Failed | JobState::Deadline if !rested(job, now) => Removal::Pruning,
        JobState::Failed | JobState::Deadline => {
            Removal::PruneFolder { folder: folder.clone(), failed: Some(job.name.clone()) }
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
pub(super) mod tests;

#[cfg(test)]
#[path = "suspend_tests.rs"]
mod suspend_tests;

#[cfg(test)]
#[path = "lost_tests.rs"]
mod lost_tests;
