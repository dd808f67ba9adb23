//! What to do about a cache: pure.

use asu_core::{
    cache::retry_after,
    result::{PopulateResult, RESULT_SCHEMA},
};
use asu_crds::ImageBuilderCacheStatus;
use jiff::{SignedDuration, Timestamp};

use super::{
    dereference::{JobSeen, Observed, loss},
    validate::Validated,
};
use crate::pods::verdict::JobState;

/// A tree that was replaced stays so long at least: a build may just be mounting it.
const LINGER: SignedDuration = SignedDuration::from_secs(60);

/// What to do, and what the status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The tree is ready.
    Ready {
        /// What is left to tidy.
        tidy: Vec<Tidy>,
        /// When to look again, at the latest.
        again: Option<SignedDuration>,
    },
    /// Start a Job.
    Populate {
        /// Its name.
        job: String,
        /// Folder of the tree that it replaces.
        replaces: Option<String>,
    },
    /// A former tree at the very place is removed first.
    Clearing {
        /// The Job that does.
        job: String,
        /// Whether it has ended, so that it is to be deleted.
        over: bool,
    },
    /// A Job runs.
    Populating {
        /// Its name.
        job: String,
        /// What Kubernetes says about a pod that does not start.
        problem: Option<String>,
    },
    /// A Job made the tree.
    Done {
        /// What it reported.
        result: PopulateResult,
    },
    /// A Job failed.
    Failed {
        /// Its name.
        job: String,
        /// Word of a closed set.
        reason: String,
        /// One sentence.
        message: String,
        /// When it is tried again.
        retry_at: Timestamp,
        /// Failures in a row.
        failures: u32,
    },
    /// A failure is not tried again yet.
    Waiting {
        /// When it is.
        until: Timestamp,
    },
    /// The Distribution or the version is gone.
    Orphaned,
}

/// Something that is no longer needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidy {
    /// A Job that did its work.
    DeleteJob(String),
    /// A tree that no build uses any more.
    PruneTree {
        /// Its folder.
        tree: String,
    },
}

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
    if status.place.as_ref() == Some(&valid.place) {
        return ready(tree, observed, now);
    }
    // A builder image that comes back before its former tree is gone.
    if let Some(job) = observed.prunes.iter().find(|it| it.replaces.as_deref() == Some(tree)) {
        let over = job.state != JobState::Active && !job.alive;
        return Decision::Clearing { job: job.name.clone(), over };
    }
    let failures = status.failures.unwrap_or_default();
    let expected = job_name(name, uid, tree, failures);
    if let Some(job) = observed.populates.iter().find(|job| job.name == expected) {
        return running(job, failures, now);
    }
    if let Some(retry_at) = status.retry_at.as_ref().filter(|at| at.0 > now) {
        return Decision::Waiting { until: retry_at.0 };
    }
    if valid.plan.is_none() {
        return Decision::Orphaned;
    }
    let replaces = status.place.as_ref().map(|place| place.sub_path.clone());
    Decision::Populate { job: expected, replaces }
}

/// `ibc-` + a readable part + eight digits that tell attempts and trees apart.
pub fn job_name(name: &str, uid: &str, tree: &str, failures: u32) -> String {
    let mut hasher = asu_core::digest::FieldHasher::new("asu.dev/populate/v1");
    hasher.field(uid).field(tree).field(&failures.to_string());
    let digest: String = hasher.finish().as_str().chars().take(8).collect();
    let readable: String = name.chars().take(40).collect();
    format!("ibc-{}-{digest}", readable.trim_matches('-'))
}

fn running(job: &JobSeen, failures: u32, now: Timestamp) -> Decision {
    let usable = job.result.as_ref().filter(|result| result.schema == RESULT_SCHEMA);
    match (job.state, usable) {
        (JobState::Active, _) => {
            let problem = match &job.pod {
                Some(crate::pods::verdict::PodState::Starting { problem: Some(problem) }) => {
                    Some(format!("{}: {}", problem.reason, problem.message))
                }
                _ => None,
            };
            Decision::Populating { job: job.name.clone(), problem }
        }
        // It is to fail, and its pod has its grace: until then it writes into the tree.
        (JobState::Failed | JobState::Deadline, _) if job.alive => {
            Decision::Populating { job: job.name.clone(), problem: None }
        }
        (JobState::Complete, Some(result)) if result.failure.is_none() => {
            Decision::Done { result: result.clone() }
        }
        (_, result) => {
            let told = result.and_then(|it| Some((it.failure?.as_str(), it.detail.clone())));
            let (reason, message) = told.unwrap_or_else(|| loss(job));
            let failures = failures.saturating_add(1);
            let retry_at = now.checked_add(retry_after(failures)).unwrap_or(Timestamp::MAX);
            Decision::Failed {
                job: job.name.clone(),
                reason: reason.to_owned(),
                message,
                retry_at,
                failures,
            }
        }
    }
}

/// Kubernetes will not take the claim or the Job, for example for want of quota.
pub fn refused(job: &str, failures: u32, message: &str, now: Timestamp) -> Decision {
    let failures = failures.saturating_add(1);
    Decision::Failed {
        job: job.to_owned(),
        reason: "NotAccepted".to_owned(),
        message: message.to_owned(),
        retry_at: now.checked_add(retry_after(failures)).unwrap_or(Timestamp::MAX),
        failures,
    }
}

fn ready(current: &str, observed: &Observed, now: Timestamp) -> Decision {
    let mut tidy = Vec::new();
    let mut again = None;
    for job in observed.populates.iter().filter(|job| job.state != JobState::Active) {
        let Some(old) = leftover(job, current) else {
            tidy.push(Tidy::DeleteJob(job.name.clone()));
            continue;
        };
        let fresh = job.ended.is_some_and(|ended| now.duration_since(ended) < LINGER);
        if fresh || observed.mounted.contains(&old) {
            again = Some(LINGER);
            continue;
        }
        match observed.prunes.iter().find(|prune| prune.replaces.as_ref() == Some(&old)) {
            None => tidy.push(Tidy::PruneTree { tree: old }),
            Some(prune) => match prune.state {
                JobState::Active => {}
                JobState::Complete => {
                    tidy.push(Tidy::DeleteJob(job.name.clone()));
                    tidy.push(Tidy::DeleteJob(prune.name.clone()));
                }
                // Made anew on the next pass.
                JobState::Failed | JobState::Deadline => {
                    tidy.push(Tidy::DeleteJob(prune.name.clone()));
                    again = Some(LINGER);
                }
            },
        }
    }
    Decision::Ready { tidy, again }
}

/// The tree that is of no use once a Job has ended: the one that it replaced, or its own when the
/// builder image was taken back meanwhile. Never the one in use.
fn leftover(job: &JobSeen, current: &str) -> Option<String> {
    let own = job.tree.as_ref().filter(|tree| *tree != current);
    own.or(job.replaces.as_ref().filter(|tree| *tree != current)).cloned()
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
pub fn removal(valid: &Validated, observed: &Observed, claim_there: bool) -> Removal {
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
    match pruning.map(|job| job.state) {
        Some(JobState::Active) => Removal::Pruning,
        Some(JobState::Complete) => Removal::LetGo { own_claim: false },
        Some(JobState::Failed | JobState::Deadline) => Removal::PruneFolder {
            folder: folder.clone(),
            failed: pruning.map(|job| job.name.clone()),
        },
        None => Removal::PruneFolder { folder: folder.clone(), failed: None },
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
