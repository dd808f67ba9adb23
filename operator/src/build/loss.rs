//! Describes why a pod failed or does not make progress: pure. Called by `decide.rs`, `running.rs` and
//! `committed.rs`.

use asu_core::failure::{Failure, FailureReason};

use super::{
    facts::{JobFact, Trouble},
    job::BUILD,
};
use crate::pods::verdict::{JobState, Loss, PodState, StartProblem};

fn trouble(reason: &'static str, message: impl Into<String>) -> Trouble {
    Trouble { reason, message: message.into() }
}

/// Kubernetes alternates between two reasons for an image that cannot be pulled. They are reported
/// as one, because each change would be a write.
fn shown(problem: &StartProblem) -> String {
    match problem.reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" => "ImagePullBackOff: see the pod's events".to_owned(),
        reason => format!("{reason}: {}", problem.message),
    }
}

/// The problem of a pod that has not started yet.
pub fn start_problem(pod: Option<&PodState>) -> Option<Trouble> {
    match pod {
        None => Some(trouble("NoPod", "the Job has no pod yet")),
        Some(PodState::Starting { problem: None }) => {
            Some(trouble("Starting", "the pod has not started yet"))
        }
        Some(PodState::Starting { problem: Some(problem) }) => {
            Some(trouble("NotStarted", shown(problem)))
        }
        Some(_) => None,
    }
}

/// The problem of a pod that is about to be stopped.
pub fn ending_problem(why: &str) -> Trouble {
    trouble("Disrupted", format!("the pod is being stopped: {why}"))
}

/// The pod has ended, and its Job does not show it yet.
pub fn ended_unnoticed() -> Trouble {
    trouble("Ending", "the pod has ended")
}

/// The Job was deleted while its pod still runs.
pub fn job_deleted() -> Trouble {
    trouble("JobDeleted", "the Job was deleted, and its pod is being stopped")
}

/// The failure of an attempt whose pod did not start in time.
pub fn not_started(problem: Option<&StartProblem>) -> Failure {
    let why = problem.map_or("no reason is known", |problem| problem.reason.as_str());
    Failure::new(FailureReason::PodFailed, format!("The pod did not start in time: {why}"))
}

/// Why an attempt failed. `said` is the failure in its result, if it left one. An OOM kill takes
/// precedence, because the killed container could not report it.
pub fn verdict(job: &JobFact, said: Option<&Failure>) -> Failure {
    match (&job.pod, said) {
        // `build` reported it itself, with the amount of memory used.
        (_, Some(said)) if said.reason == FailureReason::OutOfMemory => said.clone(),
        (Some(PodState::Lost(Loss::OutOfMemory(container))), _) => out_of_memory(job, container),
        (_, Some(said)) => said.clone(),
        (_, None) => no_result(job),
    }
}

/// Whether the container `build` was OOM-killed: then no failure in its result counts, not even one
/// that the request caused.
pub fn starved(job: &JobFact) -> bool {
    matches!(&job.pod, Some(PodState::Lost(Loss::OutOfMemory(name))) if name == BUILD)
}

fn out_of_memory(job: &JobFact, container: &str) -> Failure {
    let limit = job.limits.iter().find(|(name, _)| name == container);
    let limit = limit.map_or("unknown", |(_, limit)| limit.as_str());
    Failure::new(
        FailureReason::OutOfMemory,
        format!(
            "The container {container} was killed for want of memory: used all that it may, limit {limit}"
        ),
    )
}

/// The failure of an attempt whose tree was lost before its pod started.
pub fn lost_tree_failure() -> Failure {
    let detail = "The ImageBuilder's tree was lost before the pod started";
    Failure::new(FailureReason::TreeLost, detail)
}

/// The failure by the state of the pod and its Job, when there is no result.
fn no_result(job: &JobFact) -> Failure {
    let lost = |detail: &str| Failure::new(FailureReason::PodFailed, detail);
    match &job.pod {
        Some(PodState::Lost(Loss::Evicted(why))) => {
            let reason = if why.contains("ephemeral") || why.contains("emptyDir") {
                FailureReason::NoSpace
            } else {
                FailureReason::PodFailed
            };
            Failure::new(reason, format!("The pod was evicted: {why}"))
        }
        Some(PodState::Lost(Loss::Disrupted(why))) => lost(&format!("The pod was ended: {why}")),
        Some(PodState::Lost(Loss::OutOfMemory(container))) => out_of_memory(job, container),
        Some(PodState::Lost(Loss::Deadline)) => lost("The pod ran into its deadline"),
        _ if job.state == JobState::Deadline => lost("The pod ran into its deadline"),
        Some(PodState::Ended { codes }) => {
            let codes: Vec<String> =
                codes.iter().map(|(name, code)| format!("{name} {code}")).collect();
            Failure::new(
                FailureReason::Internal,
                format!("The pod left no result; exit codes: {}", codes.join(", ")),
            )
        }
        _ if job.disrupted => lost("The pod was evicted or preempted, or its node was lost"),
        _ => lost("The pod is gone and left no result"),
    }
}
