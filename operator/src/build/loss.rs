//! What is said about a pod that did not do its work: pure.

use asu_core::failure::{Failure, FailureReason};

use super::facts::JobFact;
use crate::pods::verdict::{JobState, Loss, PodState, StartProblem};

/// Of an image that cannot be pulled Kubernetes says one thing and another in turns: each would be
/// a write.
pub fn start_problem(problem: &StartProblem) -> String {
    match problem.reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" => "ImagePullBackOff: see the pod's events".to_owned(),
        reason => format!("{reason}: {}", problem.message),
    }
}

/// Why a pod that did not start failed its attempt.
pub fn not_started(problem: Option<&StartProblem>) -> Failure {
    let why = problem.map_or("no reason is known", |problem| problem.reason.as_str());
    Failure::new(FailureReason::PodFailed, format!("The pod did not start in time: {why}"))
}

/// The pod's own verdict, when there is no result.
pub fn no_result(job: &JobFact) -> Failure {
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
        Some(PodState::Lost(Loss::OutOfMemory(container))) => Failure::new(
            FailureReason::BuilderDied,
            format!("The container {container} was killed for want of memory"),
        ),
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
        _ => lost("The pod is gone and left no result"),
    }
}
