//! Decides on an attempt whose Job is active. Called by `decide.rs` and `committed.rs`; pure.

use jiff::SignedDuration;

use super::{
    facts::{CacheFact, Facts, JobFact, Stored, Trouble},
    loss::{ended_unnoticed, ending_problem, lost_tree_failure, not_started, start_problem},
    step::{Lookup, SOON, Step},
};
use crate::pods::verdict::PodState;

/// Delays shorter than this are normal, at the start of a pod and until its Job shows its end; they
/// are not reported in the status.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);

/// Decides on a Job that is active.
pub fn running(facts: &Facts, job: &JobFact) -> Step {
    if job.suspended {
        return suspended(facts, job);
    }
    if let Some(why) = &job.ending {
        return run(job, Some(ending_problem(why)), None);
    }
    let since = |time| facts.now.duration_since(time);
    match &job.pod {
        None | Some(PodState::Starting { .. }) => starting(facts, job, since(job.created)),
        Some(PodState::Running) => run(job, None, None),
        Some(PodState::Ended { .. } | PodState::Lost(_)) => {
            let settled = job.ended.is_none_or(|ended| since(ended) >= SETTLED);
            let trouble = settled.then(ended_unnoticed);
            run(job, trouble, (!settled).then_some(SETTLED))
        }
    }
}

fn starting(facts: &Facts, job: &JobFact, age: SignedDuration) -> Step {
    // A pod whose claim or tree is gone never starts, or finds no tree.
    let lost = matches!(facts.cache, CacheFact::Absent | CacheFact::NotReady { .. });
    let left = facts.policy.start_timeout.saturating_sub(age);
    if left.is_positive() && !lost {
        let unsettled = SETTLED.saturating_sub(age);
        return if unsettled.is_positive() {
            run(job, None, Some(unsettled.min(left)))
        } else {
            run(job, start_problem(job.pod.as_ref()), Some(left))
        };
    }
    let problem = match &job.pod {
        Some(PodState::Starting { problem }) => problem.as_ref(),
        _ => None,
    };
    match &facts.stored {
        None => Step::Look(Lookup::Stored),
        Some(Stored::Final(result)) => Step::Archive(result.clone()),
        // Deleting the Job loses its state, so the reason is written to the status first.
        Some(_) => Step::Failed {
            attempt: job.attempt,
            failure: if lost { lost_tree_failure() } else { not_started(problem) },
            stop: Some(job.name.clone()),
            next: None,
        },
    }
}

/// A suspended Job may be resumed at any time: this is no failure, and no timeout applies.
fn suspended(facts: &Facts, job: &JobFact) -> Step {
    match &facts.stored {
        None => Step::Look(Lookup::Stored),
        Some(Stored::Final(result)) => Step::Archive(result.clone()),
        Some(_) => Step::Suspended {
            job: job.name.clone(),
            attempt: job.attempt,
            again: facts.pods_alive.then_some(SOON),
        },
    }
}

fn run(job: &JobFact, trouble: Option<Trouble>, again: Option<SignedDuration>) -> Step {
    Step::Running { job: job.name.clone(), attempt: job.attempt, trouble, again }
}
