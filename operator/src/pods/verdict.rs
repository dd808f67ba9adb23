//! Reads the states of pods and Jobs from their statuses: pure. The pod's own reason takes
//! precedence over those of its containers, which do not show an eviction.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerState, ContainerStatus, Pod, PodStatus},
};

/// The state of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// No container has started.
    Starting {
        /// Why not, if Kubernetes gives a reason.
        problem: Option<StartProblem>,
    },
    /// At least one container runs.
    Running,
    /// All containers ended by themselves.
    Ended {
        /// Exit code by container.
        codes: Vec<(String, i32)>,
    },
    /// It was killed or evicted.
    Lost(Loss),
}

/// Why a pod does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartProblem {
    /// Kubernetes' reason, for example `Unschedulable` or `ImagePullBackOff`.
    pub reason: String,
    /// Kubernetes' message.
    pub message: String,
}

/// Why a pod was killed or evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Evicted by the kubelet for its use of resources. Contains the message.
    Evicted(String),
    /// Preempted, drained, or its node was lost. Contains the reason.
    Disrupted(String),
    /// A container was OOM-killed. Contains its name.
    OutOfMemory(String),
    /// It exceeded the Job's deadline.
    Deadline,
}

/// Reads the state of a pod.
pub fn pod_state(pod: &Pod) -> PodState {
    let empty = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&empty);
    let message = || status.message.clone().unwrap_or_default();
    match status.reason.as_deref() {
        Some("Evicted") => return PodState::Lost(Loss::Evicted(message())),
        Some("DeadlineExceeded") => return PodState::Lost(Loss::Deadline),
        Some("NodeLost" | "NodeShutdown" | "Terminated" | "Preempting" | "Shutdown") => {
            return PodState::Lost(Loss::Disrupted(message()));
        }
        _ => {}
    }
    let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if ended && let Some(disruption) = disruption(status) {
        return PodState::Lost(Loss::Disrupted(disruption));
    }
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    if let Some(killed) = ended.then(|| out_of_memory(containers)).flatten() {
        return PodState::Lost(Loss::OutOfMemory(killed));
    }
    if ended {
        return PodState::Ended { codes: exit_codes(containers) };
    }
    let started = containers.iter().any(|container| {
        container.state.as_ref().is_some_and(|s| s.running.is_some() || s.terminated.is_some())
    });
    if started {
        PodState::Running
    } else {
        PodState::Starting { problem: start_problem(status, containers) }
    }
}

fn disruption(status: &PodStatus) -> Option<String> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")?;
    Some(found.message.clone().or_else(|| found.reason.clone()).unwrap_or_default())
}

fn out_of_memory(containers: &[ContainerStatus]) -> Option<String> {
    let killed = |state: &ContainerState| {
        state
            .terminated
            .as_ref()
            .is_some_and(|terminated| terminated.reason.as_deref() == Some("OOMKilled"))
    };
    let found = containers.iter().find(|container| container.state.as_ref().is_some_and(killed))?;
    Some(found.name.clone())
}

fn exit_codes(containers: &[ContainerStatus]) -> Vec<(String, i32)> {
    let code = |container: &ContainerStatus| {
        let ended = container.state.as_ref()?.terminated.as_ref()?;
        Some((container.name.clone(), ended.exit_code))
    };
    containers.iter().filter_map(code).collect()
}

fn start_problem(status: &PodStatus, containers: &[ContainerStatus]) -> Option<StartProblem> {
    // Every pod waits for these.
    const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];
    let waiting = containers.iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone().filter(|reason| !USUAL.contains(&reason.as_str()))?;
        Some(StartProblem { reason, message: waiting.message.clone().unwrap_or_default() })
    });
    waiting.or_else(|| {
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let found = conditions
            .iter()
            .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
        Some(StartProblem {
            reason: found.reason.clone()?,
            message: found.message.clone().unwrap_or_default(),
        })
    })
}

/// The termination message of a container.
pub fn termination_message<'a>(pod: &'a Pod, container: &str) -> Option<&'a str> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let found = containers.iter().find(|status| status.name == container)?;
    found.state.as_ref()?.terminated.as_ref()?.message.as_deref()
}

/// When the first container of a pod started.
pub fn started_at(pod: &Pod) -> Option<Timestamp> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let started = |container: &ContainerStatus| {
        let state = container.state.as_ref()?;
        let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
        let ended = state.terminated.as_ref().and_then(|terminated| terminated.started_at.as_ref());
        running.or(ended).map(|time| time.0)
    };
    containers.iter().filter_map(started).min()
}

/// When the last container of a pod ended.
pub fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended = |container: &ContainerStatus| {
        container.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref().map(|time| time.0)
    };
    containers.iter().filter_map(ended).max()
}

/// Whether no process of a pod can run any more. A pod on a lost node never reports its end, so it
/// counts as over some time after its deletion should have been complete.
pub fn is_over(pod: &Pod, now: Timestamp) -> bool {
    const SLACK: SignedDuration = SignedDuration::from_secs(60);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let late = |time: Timestamp| now.duration_since(time) > SLACK;
    let deletion = pod.metadata.deletion_timestamp.as_ref();
    matches!(phase, Some("Succeeded" | "Failed")) || deletion.is_some_and(|time| late(time.0))
}

/// The state of a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It has not ended.
    Active,
    /// Its pod succeeded.
    Complete,
    /// Its pod failed.
    Failed,
    /// It exceeded its deadline.
    Deadline,
}

/// Reads the state of a Job.
pub fn job_state(job: &Job) -> JobState {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref());
    let holds = |type_: &str| {
        conditions
            .unwrap_or_default()
            .iter()
            .find(|condition| condition.type_ == type_ && condition.status == "True")
    };
    if holds("Complete").is_some() {
        return JobState::Complete;
    }
    match holds("Failed").or_else(|| holds("FailureTarget")) {
        Some(failed) if failed.reason.as_deref() == Some("DeadlineExceeded") => JobState::Deadline,
        Some(_) => JobState::Failed,
        None => JobState::Active,
    }
}

/// Whether a Job is suspended: it has no pod, or its pod is being deleted.
pub fn is_suspended(job: &Job) -> bool {
    let asked = job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true));
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref());
    let said = |type_: &str| {
        conditions
            .unwrap_or_default()
            .iter()
            .any(|condition| condition.type_ == type_ && condition.status == "True")
    };
    // For a moment after a resume, the condition of the Job controller still says so.
    job_state(job) == JobState::Active && (asked || said("Suspended"))
}

/// When a Job was created or last resumed: from then on it could have a pod.
pub fn begun_at(job: &Job) -> Option<Timestamp> {
    let created = job.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let started = job.status.as_ref().and_then(|status| status.start_time.as_ref());
    created.max(started.map(|time| time.0))
}

/// Whether a Job failed by its rule for disrupted pods. The pod itself may be gone by then.
pub fn was_disrupted(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref());
    conditions.unwrap_or_default().iter().any(|condition| {
        let message = condition.message.as_deref().unwrap_or_default();
        condition.reason.as_deref() == Some("PodFailurePolicy")
            && message.contains("DisruptionTarget")
    })
}

/// Why Kubernetes is ending a pod that still runs, if it is.
pub fn ending(pod: &Pod) -> Option<String> {
    let empty = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&empty);
    let deleted = || pod.metadata.deletion_timestamp.as_ref().map(|_| "it was deleted".to_owned());
    disruption(status).or_else(deleted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({ "metadata": {"name": "p"}, "status": status })).unwrap()
    }

    #[test]
    fn an_eviction_is_read_from_the_pod_and_not_from_its_containers() {
        let pod = pod(&json!({
            "phase": "Failed", "reason": "Evicted", "message": "ephemeral storage",
            "containerStatuses": [{"name": "build", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"terminated": {"exitCode": 137}}}]
        }));
        assert_eq!(pod_state(&pod), PodState::Lost(Loss::Evicted("ephemeral storage".into())));
    }

    #[test]
    fn an_oom_killed_container_is_named() {
        let pod = pod(&json!({
            "phase": "Failed",
            "containerStatuses": [{"name": "build", "image": "", "imageID": "", "ready": false,
                "restartCount": 0,
                "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]
        }));
        assert_eq!(pod_state(&pod), PodState::Lost(Loss::OutOfMemory("build".into())));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_a_start_problem() {
        let pod = pod(&json!({
            "phase": "Pending",
            "containerStatuses": [{"name": "build", "image": "", "imageID": "", "ready": false,
                "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}]
        }));
        let problem = StartProblem { reason: "ImagePullBackOff".into(), message: "no".into() };
        assert_eq!(pod_state(&pod), PodState::Starting { problem: Some(problem) });
    }

    #[test]
    fn a_pod_without_a_node_is_a_start_problem() {
        let pod = pod(&json!({
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available"}]
        }));
        let PodState::Starting { problem: Some(problem) } = pod_state(&pod) else { panic!() };
        assert_eq!(problem.reason, "Unschedulable");
    }

    fn job(job: &serde_json::Value) -> Job {
        let mut whole = json!({ "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"} });
        whole["spec"] = job["spec"].clone();
        whole["status"] = job["status"].clone();
        whole["spec"]["template"] = json!({});
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_job_is_suspended_until_its_controller_has_resumed_it_and_its_deadline_restarts() {
        let held = job(&json!({"spec": {"suspend": true}}));
        assert!(is_suspended(&held));
        let resumed = |status: &str| {
            let conditions = json!([{"type": "Suspended", "status": status}]);
            let status = json!({"conditions": conditions, "startTime": "2026-01-02T00:00:00Z"});
            job(&json!({"spec": {"suspend": false}, "status": status}))
        };
        assert!(is_suspended(&resumed("True")));
        assert!(!is_suspended(&resumed("False")));
        assert!(begun_at(&resumed("False")) > begun_at(&held));
    }

    #[test]
    fn a_disruption_is_read_from_the_job_if_the_pod_is_gone() {
        let failed = |message| {
            let condition = json!([{"type": "Failed", "status": "True",
                "reason": "PodFailurePolicy", "message": message}]);
            job(&json!({"spec": {}, "status": {"conditions": condition}}))
        };
        let message = "Pod asu/p has condition DisruptionTarget matching FailJob rule at index 0";
        assert!(was_disrupted(&failed(message)));
        assert!(!was_disrupted(&failed("Container build for pod asu/p failed with exit code 42")));
    }

    #[test]
    fn a_drained_node_is_a_disruption() {
        let pod = pod(&json!({
            "phase": "Failed",
            "conditions": [{"type": "DisruptionTarget", "status": "True",
                "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]
        }));
        assert!(matches!(pod_state(&pod), PodState::Lost(Loss::Disrupted(_))));
    }
}
