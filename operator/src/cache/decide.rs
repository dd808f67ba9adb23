//! What to do about a cache: pure.

use std::collections::BTreeSet;

use asu_core::{cache::retry_after, result::RESULT_SCHEMA};
use asu_crds::ImageBuilderCacheStatus;
use jiff::{SignedDuration, Timestamp};

use super::{
    decision::{Decision, Tidy},
    dereference::{JobSeen, Observed, loss},
    lost::{CLAIM_LOST, blocked, going, pause},
    tries::{expected_job, next_try},
    validate::Validated,
};
use crate::pods::verdict::{JobState, PodState};

/// A tree that was replaced stays so long at least: a build may just be mounting it.
pub const LINGER: SignedDuration = SignedDuration::from_secs(60);

/// A Job that has no pod for so long is said to: for a moment none has.
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
    if let Some(place) = &status.place {
        let kept = &observed.claims.kept;
        if let Some(message) = kept.problem(&place.claim_name, status.claim_uid.as_deref()) {
            let jobs = observed.populates.iter().chain(&observed.prunes).map(named).collect();
            return Decision::Lost { message, jobs, retry_at: pause(status, now) };
        }
    }
    if status.place.as_ref() == Some(&valid.place) {
        return ready(tree, observed, now);
    }
    let failures = status.failures.unwrap_or_default();
    let expected = expected_job(name, uid, valid, status);
    let blocked = blocked(valid, &observed.claims.wanted);
    // A builder image that comes back before its former tree is gone.
    if let Some(prune) =
        observed.prunes.iter().find(|prune| prune.replaces.as_deref() == Some(tree))
    {
        let made = |job: &&JobSeen| job.tree.as_deref() == Some(tree) || job.name == expected;
        let mut jobs: Vec<_> = observed.populates.iter().filter(made).map(named).collect();
        if prune.state != JobState::Active && !prune.alive {
            jobs.push(named(prune));
        }
        return Decision::Clearing { jobs };
    }
    if let Some(job) = observed.populates.iter().find(|job| job.name == expected) {
        // A pod that still has the claim fills what nobody will find.
        return match observed.claims.wanted.problem(&valid.place.claim_name, None) {
            Some(problem) => failed(&job.name, failures, CLAIM_LOST, problem, now),
            None => running(job, failures, now),
        };
    }
    if let Some(until) = next_try(status, blocked.is_some(), observed.newest).filter(|at| *at > now)
    {
        return Decision::Waiting { until };
    }
    if let Some(problem) = blocked {
        return if valid.own_claim {
            going(valid, &observed.claims.wanted, &problem)
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
        return failed(&expected, failures, "JobDeleted", "its Job was deleted".to_owned(), now);
    }
    let replaces = status.place.as_ref().map(|place| place.sub_path.clone());
    Decision::Populate { job: expected, replaces }
}

fn running(job: &JobSeen, failures: u32, now: Timestamp) -> Decision {
    let usable = job.result.as_ref().filter(|result| result.schema == RESULT_SCHEMA);
    match (job.state, usable) {
        (JobState::Active, _) => {
            Decision::Populating { job: job.name.clone(), trouble: trouble(job, now) }
        }
        // It is to fail, and its pod has its grace: until then it writes into the tree.
        (JobState::Failed | JobState::Deadline, _) if job.alive => {
            Decision::Populating { job: job.name.clone(), trouble: None }
        }
        (JobState::Complete, Some(result)) if result.failure.is_none() => {
            Decision::Done { result: result.clone() }
        }
        (_, result) => {
            let told =
                result.and_then(|result| Some((result.failure?.as_str(), result.detail.clone())));
            let (reason, message) = told.unwrap_or_else(|| loss(job));
            failed(&job.name, failures, reason, message, now)
        }
    }
}

fn trouble(job: &JobSeen, now: Timestamp) -> Option<(&'static str, String)> {
    if job.suspended {
        let message = "its Job is suspended: it has no pod until it is resumed";
        return Some(("Suspended", message.to_owned()));
    }
    match &job.pod {
        Some(PodState::Starting { problem: Some(problem) }) => {
            Some(("NotStarted", format!("{}: {}", problem.reason, problem.message)))
        }
        None if job.begun.is_some_and(|begun| now.duration_since(begun) >= SETTLED) => {
            Some(("NoPod", "its Job has no pod yet".to_owned()))
        }
        _ => None,
    }
}

/// Kubernetes will not take the claim or the Job, for example for want of quota.
pub fn refused(job: &str, failures: u32, message: String, now: Timestamp) -> Decision {
    failed(job, failures, "NotAccepted", message, now)
}

/// One failure more, after `before` in a row.
fn failed(job: &str, before: u32, reason: &str, message: String, now: Timestamp) -> Decision {
    let failures = before.saturating_add(1);
    Decision::Failed {
        job: job.to_owned(),
        reason: reason.to_owned(),
        message,
        retry_at: now.checked_add(retry_after(failures)).unwrap_or(Timestamp::MAX),
        failures,
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
            tidy.push(Tidy::DeleteJob(job.name.clone()));
        } else {
            open.extend(old);
        }
    }
    let mut again = None;
    for tree in &open {
        if lingers(tree, current, observed, now) {
            again = Some(LINGER);
        } else if removal_of(tree, observed).is_none() {
            tidy.push(Tidy::PruneTree { tree: (*tree).to_owned() });
        }
    }
    for prune in observed.prunes.iter().filter(ended) {
        let needed = prune.replaces.as_deref().filter(|tree| open.contains(tree));
        match (prune.state, needed) {
            (JobState::Complete, Some(_)) => {}
            (JobState::Failed | JobState::Deadline, _) if !rested(prune, now) => {
                again = Some(LINGER);
            }
            // Once more, at once: no other leader may take the rest of the tree for a whole one.
            (_, Some(tree)) => {
                tidy.push(Tidy::DeleteJob(prune.name.clone()));
                tidy.push(Tidy::PruneTree { tree: tree.to_owned() });
            }
            (_, None) => tidy.push(Tidy::DeleteJob(prune.name.clone())),
        }
    }
    Decision::Ready { tidy, again }
}

/// The trees that are of no use once a Job has ended: its own when the builder image was taken back
/// meanwhile, and the one that it replaced. Never one in use, or one that is being filled.
fn leftovers<'a>(job: &'a JobSeen, current: &str, observed: &Observed) -> Vec<&'a str> {
    let is_filled = |tree: &str| {
        let active =
            observed.populates.iter().filter(|populate| populate.state == JobState::Active);
        active.into_iter().any(|populate| populate.tree.as_deref() == Some(tree))
    };
    let both = [job.tree.as_deref(), job.replaces.as_deref()];
    both.into_iter().flatten().filter(|tree| *tree != current && !is_filled(tree)).collect()
}

/// How far the removal of a tree is, when one was begun.
fn removal_of(tree: &str, observed: &Observed) -> Option<JobState> {
    let of_tree = |job: &&JobSeen| job.replaces.as_deref() == Some(tree);
    observed.prunes.iter().find(of_tree).map(|job| job.state)
}

/// Whether builds use a tree, or may be about to: it was the one in use a moment ago.
fn lingers(tree: &str, current: &str, observed: &Observed, now: Timestamp) -> bool {
    let speaks = |job: &&JobSeen| {
        let trees = [job.tree.as_deref(), job.replaces.as_deref()];
        trees.contains(&Some(tree)) || trees.contains(&Some(current))
    };
    let fresh = observed.populates.iter().filter(speaks).any(|job| !rested(job, now));
    observed.switched || fresh || observed.mounted.contains(tree)
}

/// Whether the end of a Job's pod, as far as it is known, was some while ago.
fn rested(job: &JobSeen, now: Timestamp) -> bool {
    job.ended.is_none_or(|ended| now.duration_since(ended) >= LINGER)
}

/// What to do about a cache that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Builds use it: wait for their ends.
    InUse,
    /// Delete these Jobs first.
    StopJobs(Vec<String>),
    /// Remove the folder of its trees from the shared claim.
    PruneFolder {
        /// The folder.
        folder: String,
        /// A former Job for it that failed.
        failed: Option<String>,
    },
    /// A Job removes the folder.
    Pruning,
    /// Nothing is left.
    LetGo {
        /// Whether a claim of its own goes with it.
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
        return Removal::LetGo { own_claim: valid.own_claim };
    };
    let pruning = observed.prunes.iter().find(|job| job.replaces.as_ref() == Some(folder));
    let Some(job) = pruning else {
        return Removal::PruneFolder { folder: folder.clone(), failed: None };
    };
    match job.state {
        JobState::Active => Removal::Pruning,
        JobState::Complete => Removal::LetGo { own_claim: false },
        // Its deletion wakes us at once: the pause is before it.
        JobState::Failed | JobState::Deadline if !rested(job, now) => Removal::Pruning,
        JobState::Failed | JobState::Deadline => {
            Removal::PruneFolder { folder: folder.clone(), failed: Some(job.name.clone()) }
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "lost_tests.rs"]
mod lost_tests;
