//! What is said about a pod that did not do its work: pure.

use asu_core::failure::{Failure, FailureReason};

use super::{
    facts::{JobFact, Trouble},
    job::BUILD,
};
use crate::pods::verdict::{JobState, Loss, PodState, StartProblem};

fn trouble(reason: &'static str, message: impl Into<String>) -> Trouble {
    Trouble { reason, message: message.into() }
}

/// Of an image that cannot be pulled Kubernetes says one thing and another in turns: each would be
/// a write.
fn start_problem(problem: &StartProblem) -> String {
    match problem.reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" => "ImagePullBackOff: see the pod's events".to_owned(),
        reason => format!("{reason}: {}", problem.message),
    }
}

/// What is so while a pod should start and has not.
pub fn not_yet(pod: Option<&PodState>) -> Option<Trouble> {
    match pod {
        None => Some(trouble("NoPod", "its Job has no pod yet")),
        Some(PodState::Starting { problem: None }) => {
            Some(trouble("Starting", "its pod has not started yet"))
        }
        Some(PodState::Starting { problem: Some(problem) }) => {
            Some(trouble("NotStarted", start_problem(problem)))
        }
        Some(_) => None,
    }
}

/// Its pod is about to end.
pub fn about_to_end(why: &str) -> Trouble {
    trouble("Disrupted", format!("its pod is being ended: {why}"))
}

/// Its pod ended, and Kubernetes has not noticed.
pub fn ended_unnoticed() -> Trouble {
    trouble("Ending", "its pod has ended")
}

/// Its Job is gone.
pub fn job_deleted() -> Trouble {
    trouble("JobDeleted", "its Job was deleted, and its pod ends")
}

/// Why a pod that did not start failed its attempt.
pub fn not_started(problem: Option<&StartProblem>) -> Failure {
    let why = problem.map_or("no reason is known", |problem| problem.reason.as_str());
    Failure::new(FailureReason::PodFailed, format!("The pod did not start in time: {why}"))
}

/// Why an attempt failed of which `said` was left. That the kernel killed a container for want of
/// memory counts whatever that is: what was killed could not tell.
pub fn verdict(job: &JobFact, said: Option<&Failure>) -> Failure {
    match (&job.pod, said) {
        // `build` saw it itself, and knows how much was used.
        (_, Some(said)) if said.reason == FailureReason::OutOfMemory => said.clone(),
        (Some(PodState::Lost(Loss::OutOfMemory(container))), _) => out_of_memory(job, container),
        (_, Some(said)) => said.clone(),
        (_, None) => no_result(job),
    }
}

/// Whether the container that runs the ImageBuilder was killed for want of memory: then what it
/// left says nothing, be it a fault of the request.
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

/// Why a pod that had not started failed its attempt, when its tree is gone.
pub fn tree_went() -> Failure {
    let detail = "The ImageBuilder's tree was lost before the pod started";
    Failure::new(FailureReason::TreeLost, detail)
}

/// The pod's own verdict, when there is no result.
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
