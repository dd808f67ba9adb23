//! Decides whether the result that an attempt committed ends its build. Called by `decide.rs`;
//! pure.

use asu_core::result::BuildResult;

use super::{
    facts::{Facts, JobFact},
    loss::{starved, verdict},
    running::running,
    step::{MAX_ATTEMPTS, Step, pause},
};
use crate::pods::verdict::JobState;

/// A committed result ends the build, unless the container `build` was OOM-killed: then the result
/// is taken back and another attempt gets more memory. The result states the kill if the container
/// could read its memory counters; otherwise the container's termination state shows it.
pub fn ended(facts: &Facts, job: &JobFact, result: &BuildResult) -> Step {
    let unsure = result.memory_unknown && result.failure.is_some();
    if unsure && job.state == JobState::Active && facts.pods_alive {
        return running(facts, job);
    }
    if !starved(job) || !(result.memory_unknown || result.failure.is_some()) {
        return Step::Archive(Box::new(result.clone()));
    }
    let failure = verdict(job, result.failure.as_ref());
    if job.attempt >= MAX_ATTEMPTS {
        return Step::Fail(failure);
    }
    let next = job.ended.and_then(|at| at.checked_add(pause(facts, job.attempt)?).ok());
    Step::TakeBack { attempt: job.attempt, failure, next }
}
