//! Determines whether a build has a place or waits in the queue after a decision. Called by the
//! controller before each step; pure. Together with [`asu_core::queue`] it guarantees that no more
//! than the maximum number of builds run.

use asu_crds::{BuildCondition, is_true};

use super::{
    facts::{CacheFact, Facts},
    step::Step,
};

/// The state of a build in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// It has a place: the right to have a Job.
    HasPlace,
    /// It waits in the queue.
    Waits,
    /// Neither: it has ended, or cannot start now.
    Outside,
}

/// Derives it from the facts and the decided step. A build has a place as long as one of its Jobs
/// is active or one of its pods may still run, and not after its result is in the store. A
/// suspended Job has no pod and so no place; once resumed, it has one again.
pub fn queue_state(facts: &Facts, step: &Step) -> QueueState {
    if is_true(&facts.status.conditions, BuildCondition::Archived.as_str()) {
        return QueueState::Outside;
    }
    let ready = matches!(facts.cache, CacheFact::Ready { .. });
    match step {
        Step::CreateJob { .. } => QueueState::HasPlace,
        Step::Queue { .. } if facts.turn.is_some() && ready => QueueState::Waits,
        Step::Queue { .. }
        | Step::Archive(_)
        | Step::Fail(_)
        | Step::Refuse(_)
        | Step::AwaitRevision(_)
        | Step::RefuseRevision(_)
        | Step::TurnAway(_)
        | Step::DeleteJobs(_)
        | Step::RemoveFinalizer
        | Step::DeleteObject
        | Step::Rest => QueueState::Outside,
        Step::Look(_)
        | Step::AddFinalizer
        | Step::CreateCache
        | Step::Running { .. }
        | Step::Suspended { .. }
        | Step::Failed { .. }
        | Step::TakeBack { .. }
        | Step::Wait(_)
        | Step::StopJobs(_) => {
            if facts.runs() {
                QueueState::HasPlace
            } else {
                QueueState::Outside
            }
        }
    }
}
