//! What a build has of the queue after a decision: pure. It is the operator's part in the laws of
//! [`asu_core::queue`].

use asu_crds::{BuildCondition, is_true};

use super::{
    facts::{CacheFact, Facts},
    step::Step,
};

/// What a build has of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A place.
    Place,
    /// It stands in line.
    Queue,
    /// Neither: it ended, or cannot start now.
    Nothing,
}

/// Reads it off the facts and what is decided. A place belongs to a build as long as a Job of it is
/// under way or a pod of it may still run, and not after its result is in the store. A suspended Job
/// has no pod and so no place; resumed, it has one again.
pub fn standing(facts: &Facts, step: &Step) -> Standing {
    if is_true(&facts.status.conditions, BuildCondition::Archived.as_str()) {
        return Standing::Nothing;
    }
    let ready = matches!(facts.cache, CacheFact::Ready { .. });
    match step {
        Step::CreateJob { .. } => Standing::Place,
        Step::Queue { .. } if facts.turn.is_some() && ready => Standing::Queue,
        Step::Queue { .. }
        | Step::Archive(_)
        | Step::Fail(_)
        | Step::Refuse(_)
        | Step::TurnAway(_)
        | Step::DeleteJobs(_)
        | Step::LetGo
        | Step::DeleteObject
        | Step::Rest => Standing::Nothing,
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
                Standing::Place
            } else {
                Standing::Nothing
            }
        }
    }
}
