//! Decides the next step of a FirmwareBuild: pure. Facts that need a call are looked up only when a
//! decision depends on them: [`decide`] returns [`Step::Look`], and the controller calls it again
//! with the answer.

use asu_core::failure::{Failure, FailureReason};
use asu_crds::{BuildCondition, FirmwareBuildStatus, condition, is_true};
use jiff::{SignedDuration, Timestamp};

use super::{
    committed::ended,
    facts::{CacheFact, Facts, JobFact, SoughtRevision, Stored, Unaccepted},
    loss::{job_deleted, verdict},
    running::running,
    status::attempt_failure,
    step::{Lookup, MAX_ATTEMPTS, SOON, Step, pause},
};
use crate::{cache::NOT_OFFERED, pods::verdict::JobState, queue::Turn};

/// Number of consecutive failures of a cache after which the builds that wait for it fail. A build
/// that was created after the last failure waits: its creation triggers the next try.
const CACHE_PATIENCE: u32 = 3;

/// How long the object of a build that was turned away is kept, so that its client can read why.
const TURNED_AWAY: SignedDuration = SignedDuration::from_mins(1);
/// How long a build waits for a revision while upstream cannot be read.
const REVISION_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
const OUT_OF_MEMORY: &str = "OutOfMemory";
/// The next step of a build.
pub fn decide(facts: &Facts) -> Step {
    if facts.deleted && !facts.finalizer {
        return Step::Rest;
    }
    if is_true(&facts.status.conditions, BuildCondition::Archived.as_str()) {
        return archived(facts);
    }
    if let Some(earlier) = facts.beyond {
        return if facts.deleted { Step::RemoveFinalizer } else { Step::TurnAway(earlier) };
    }
    if facts.deleted && facts.abandon {
        let jobs = active(facts);
        return if jobs.is_empty() { Step::RemoveFinalizer } else { Step::StopJobs(jobs) };
    }
    if !facts.finalizer {
        return Step::AddFinalizer;
    }
    if facts.status.resolved.is_none() {
        match &facts.validity {
            None => return Step::Look(Lookup::Validity),
            Some(Err(_)) if facts.deleted => return Step::RemoveFinalizer,
            Some(Err(unaccepted)) => return not_accepted(facts, unaccepted),
            Some(Ok(_)) => {}
        }
    }
    if let Some(step) = decided_before(facts) {
        return step;
    }
    if facts.deleted || facts.cancel {
        return cancel(facts);
    }
    attempt(facts).unwrap_or_else(|| next_attempt(facts))
}

fn not_accepted(facts: &Facts, unaccepted: &Unaccepted) -> Step {
    match (unaccepted, &facts.revision) {
        (Unaccepted::Refused(problem), _) => Step::Refuse(problem.clone()),
        (Unaccepted::NotReadYet(_), _) if facts.cancel => {
            Step::Refuse("the build was cancelled before it was accepted".to_owned())
        }
        (Unaccepted::NotReadYet(_), None) => Step::Look(Lookup::Revision),
        (Unaccepted::NotReadYet(_), Some(SoughtRevision::Lacking(problem))) => {
            Step::RefuseRevision(problem.clone())
        }
        (Unaccepted::NotReadYet(awaited), Some(SoughtRevision::Awaited)) => {
            let waited = facts.now.duration_since(facts.created);
            if waited < REVISION_PATIENCE {
                return Step::AwaitRevision(awaited.clone());
            }
            let minutes = REVISION_PATIENCE.as_mins();
            Step::RefuseRevision(format!("{awaited}: upstream did not tell within {minutes} min"))
        }
    }
}

fn names(jobs: &[JobFact]) -> Vec<String> {
    jobs.iter().filter(|job| !job.deleting).map(|job| job.name.clone()).collect()
}

fn active(facts: &Facts) -> Vec<String> {
    let jobs = facts.jobs.iter().filter(|job| job.state == JobState::Active && !job.deleting);
    jobs.map(|job| job.name.clone()).collect()
}

fn archived(facts: &Facts) -> Step {
    let jobs = names(&facts.jobs);
    if !jobs.is_empty() {
        return Step::DeleteJobs(jobs);
    }
    if facts.deleted {
        return Step::RemoveFinalizer;
    }
    let verdict = condition(&facts.status.conditions, BuildCondition::Succeeded.as_str());
    let ttl = match verdict {
        Some(verdict) if verdict.status == "True" => facts.policy.ttl_succeeded,
        Some(verdict) if is_turned_away(&facts.status, &verdict.reason) => TURNED_AWAY,
        _ => facts.policy.ttl_failed,
    };
    let times = facts.status.times.clone().unwrap_or_default();
    let ended = times.archived_at.or(times.finished_at).map_or(facts.created, |time| time.0);
    let left = ttl.saturating_sub(facts.now.duration_since(ended));
    if left.is_positive() { Step::Wait(left) } else { Step::DeleteObject }
}

/// Whether a build was refused although a repeated request may be accepted.
fn is_turned_away(status: &FirmwareBuildStatus, reason: &str) -> bool {
    match FailureReason::parse(reason) {
        Some(FailureReason::QueueFull) => true,
        // An accepted build ends with this reason if its tree has another revision.
        Some(FailureReason::RevisionMismatch) => status.resolved.is_none(),
        _ => false,
    }
}

/// A verdict that the status already contains is final: only the record is missing.
fn decided_before(facts: &Facts) -> Option<Step> {
    let verdict = condition(&facts.status.conditions, BuildCondition::Succeeded.as_str())?;
    if verdict.status == "Unknown" {
        return None;
    }
    let failed = || {
        let reason = FailureReason::parse(&verdict.reason).unwrap_or(FailureReason::Internal);
        Step::Fail(Failure::new(reason, &verdict.message))
    };
    Some(match &facts.stored {
        None => Step::Look(Lookup::Stored),
        // The result of an OOM-killed container may state another reason: the status counts.
        Some(Stored::Final(result))
            if verdict.reason == OUT_OF_MEMORY && result.reason().is_some() =>
        {
            failed()
        }
        Some(Stored::Final(result)) => Step::Archive(result.clone()),
        Some(_) if verdict.status == "False" => failed(),
        Some(_) => lost_result(),
    })
}

fn lost_result() -> Step {
    Step::Fail(Failure::new(FailureReason::Internal, "The result is gone from the store"))
}

fn cancel(facts: &Facts) -> Step {
    let jobs = active(facts);
    if !jobs.is_empty() {
        return Step::StopJobs(jobs);
    }
    if facts.pods_alive {
        return Step::Wait(SOON);
    }
    match &facts.stored {
        None => Step::Look(Lookup::Stored),
        // The build had ended before the cancellation took effect.
        Some(Stored::Final(result)) => Step::Archive(result.clone()),
        Some(_) => Step::Fail(Failure::new(FailureReason::Cancelled, "The build was cancelled")),
    }
}

/// Decides on the newest attempt; `None` when another attempt may begin.
fn attempt(facts: &Facts) -> Option<Step> {
    let newest = facts.jobs.iter().max_by_key(|job| job.attempt);
    let known = facts.status.attempt.unwrap_or_default();
    let Some(job) = newest.filter(|job| job.attempt >= known) else {
        return unseen(facts, known);
    };
    if job.state == JobState::Active {
        return Some(match &facts.stored {
            // A committed result is final, even if Kubernetes has not yet updated its pod.
            None if facts.committed => Step::Look(Lookup::Stored),
            Some(Stored::Final(result)) => ended(facts, job, result),
            _ => running(facts, job),
        });
    }
    if job.state != JobState::Complete && facts.pods_alive {
        // The Job is marked as failed before the grace period of its pod is over, in which
        // `publish` stores the log.
        return Some(Step::Wait(SOON));
    }
    match &facts.stored {
        None => Some(Step::Look(Lookup::Stored)),
        Some(Stored::Final(result)) => Some(ended(facts, job, result)),
        Some(Stored::Bad(problem)) => {
            Some(Step::Fail(Failure::new(FailureReason::Internal, problem)))
        }
        Some(Stored::Attempt(result)) => {
            failed(facts, job.attempt, job.ended, verdict(job, result.failure.as_ref()))
        }
        Some(Stored::Nothing) => failed(facts, job.attempt, job.ended, verdict(job, None)),
    }
}

/// Decides on an attempt that the status names and whose Job the watch does not show.
fn unseen(facts: &Facts, attempt: u32) -> Option<Step> {
    if attempt == 0 {
        return None;
    }
    match (&facts.stored, facts.unseen_job) {
        (None, _) => Some(Step::Look(Lookup::Stored)),
        (Some(Stored::Final(result)), _) => Some(Step::Archive(result.clone())),
        (Some(_), None) => Some(Step::Look(Lookup::UnseenJob)),
        (Some(_), Some(true)) => Some(Step::Wait(SOON)),
        // The operator deleted the Job because the attempt had failed, as the status says.
        (Some(_), Some(false))
            if facts.pods_alive && attempt_failure(&facts.status, attempt).is_some() =>
        {
            Some(Step::Wait(SOON))
        }
        (Some(_), Some(false)) if facts.pods_alive => Some(Step::Running {
            job: facts.status.job_name.clone().unwrap_or_default(),
            attempt,
            trouble: Some(job_deleted()),
            again: Some(SOON),
        }),
        (Some(Stored::Attempt(result)), Some(false)) if result.failure.is_some() => {
            failed(facts, attempt, None, result.failure.clone()?)
        }
        (Some(_), Some(false)) => {
            let gone = Failure::new(FailureReason::PodFailed, "Its Job was deleted");
            failed(facts, attempt, None, gone)
        }
    }
}

/// Decides on a failed attempt: another one after a pause, or the failure of the build.
fn failed(facts: &Facts, attempt: u32, ended: Option<Timestamp>, failure: Failure) -> Option<Step> {
    let attempt_failure = attempt_failure(&facts.status, attempt);
    let failure = attempt_failure.clone().unwrap_or(failure);
    if !failure.reason.is_retried() || attempt >= MAX_ATTEMPTS {
        return Some(Step::Fail(failure));
    }
    let pause = pause(facts, attempt)?;
    let next = ended.and_then(|ended| ended.checked_add(pause).ok());
    if attempt_failure.is_none() {
        return Some(Step::Failed { attempt, failure, stop: None, next });
    }
    let left = next?.duration_since(facts.now);
    left.is_positive().then_some(Step::Wait(left))
}

fn next_attempt(facts: &Facts) -> Step {
    if facts.private {
        match facts.secret {
            None => return Step::Look(Lookup::Secret),
            Some(false) => return without_secret(facts),
            Some(true) => {}
        }
    }
    match &facts.cache {
        CacheFact::Absent => return Step::CreateCache,
        CacheFact::Deleting => return Step::Queue { again: Some(SOON) },
        CacheFact::NotReady { failures, failed_at, reason }
            if *failures >= CACHE_PATIENCE && failed_at.is_none_or(|at| at > facts.created) =>
        {
            let detail = format!("The ImageBuilder could not be prepared: {reason}");
            return Step::Fail(Failure::new(FailureReason::CacheFailed, detail));
        }
        CacheFact::NotReady { reason, .. } if reason == NOT_OFFERED => {
            let detail = "The version is no longer offered";
            return Step::Fail(Failure::new(FailureReason::CacheFailed, detail));
        }
        CacheFact::NotReady { .. } => return Step::Queue { again: None },
        CacheFact::Ready { .. } => {}
    }
    match (facts.turn, &facts.stored) {
        (None, _) => Step::Look(Lookup::Turn),
        (Some(Turn::Waits | Turn::Paused), _) => Step::Queue { again: None },
        (Some(Turn::Admitted), None) => Step::Look(Lookup::Stored),
        (Some(Turn::Admitted), Some(Stored::Final(result))) => Step::Archive(result.clone()),
        (Some(Turn::Admitted), Some(_)) => {
            let newest = facts.jobs.iter().map(|job| job.attempt).max().unwrap_or_default();
            let last = newest.max(facts.status.attempt.unwrap_or_default());
            Step::CreateJob { attempt: last.saturating_add(1) }
        }
    }
}

/// The timeout of the first-boot script also runs while the cache is filled.
fn without_secret(facts: &Facts) -> Step {
    if facts.now.duration_since(facts.created) < facts.policy.defaults_timeout {
        return match facts.cache {
            CacheFact::Absent => Step::CreateCache,
            _ => Step::Queue { again: Some(SOON) },
        };
    }
    let detail = "The first-boot script did not arrive";
    Step::Fail(Failure::new(FailureReason::DefaultsMissing, detail))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "blame_tests.rs"]
mod blame_tests;

#[cfg(test)]
#[path = "running_tests.rs"]
mod running_tests;

#[cfg(test)]
#[path = "revision_tests.rs"]
mod revision_tests;

#[cfg(test)]
#[path = "decide_laws.rs"]
mod laws;
