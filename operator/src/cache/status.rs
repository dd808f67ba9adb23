//! What the status says: pure.

use asu_core::result::PopulateResult;
use asu_crds::{CachePhase, ConditionFacts, ImageBuilderCacheStatus, set_condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{decide::Decision, validate::Validated};

/// Reason of a cache that nothing can fill until a Distribution lists its version.
pub const NOT_OFFERED: &str = "NotOffered";

/// Number of builds that use a cache, and when one last began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Builds that run on it.
    pub users: u32,
    /// Latest begin.
    pub last_used: Option<Timestamp>,
}

impl Use {
    /// What the status says now.
    pub fn of(status: &ImageBuilderCacheStatus) -> Self {
        Self {
            users: status.users.unwrap_or_default(),
            last_used: status.last_used.as_ref().map(|time| time.0),
        }
    }
}

/// The status after a pass. `usage` is absent while it is not to be written.
pub fn status(
    old: &ImageBuilderCacheStatus,
    generation: Option<i64>,
    valid: &Validated,
    decision: &Decision,
    usage: Option<Use>,
    now: Timestamp,
) -> ImageBuilderCacheStatus {
    let mut status = old.clone();
    status.observed_generation = generation;
    if let Some(usage) = usage {
        status.users = Some(usage.users);
        status.last_used = usage.last_used.map(Time);
    }
    let (phase, reason, message) = match decision {
        Decision::Ready { .. } => {
            settle(&mut status);
            (CachePhase::Ready, "Ready".to_owned(), "the tree is ready".to_owned())
        }
        Decision::Populate { job, .. } => {
            status.job_name = Some(job.clone());
            (CachePhase::Populating, "Populating".to_owned(), "a pod fills the tree".to_owned())
        }
        Decision::Clearing { .. } => {
            let message = "a former tree is being removed";
            (CachePhase::Populating, "Clearing".to_owned(), message.to_owned())
        }
        Decision::Populating { job, problem } => {
            status.job_name = Some(job.clone());
            populating(problem.as_deref())
        }
        Decision::Done { result } => {
            take_over(&mut status, valid, result);
            (CachePhase::Ready, "Ready".to_owned(), "the tree is ready".to_owned())
        }
        Decision::Failed { reason, message, retry_at, failures, .. } => {
            status.failures = Some(*failures);
            status.retry_at = Some(Time(*retry_at));
            status.job_name = None;
            (CachePhase::Failed, reason.clone(), message.clone())
        }
        Decision::Waiting { .. } => return status,
        Decision::Orphaned => {
            let message = "no Distribution lists this version with the keys it needs";
            (CachePhase::Failed, NOT_OFFERED.to_owned(), message.to_owned())
        }
    };
    let message: String = message.chars().take(1000).collect();
    conditions(&mut status, phase, &reason, &message, generation, now);
    status.phase = Some(phase);
    status.reason = Some(reason);
    status.message = Some(message);
    status
}

/// The new tree is the one that builds use from now on.
fn take_over(status: &mut ImageBuilderCacheStatus, valid: &Validated, result: &PopulateResult) {
    status.place = Some(valid.place.clone());
    status.builder_image = Some(valid.builder_image.clone());
    status.revision = Some(result.revision.chars().take(64).collect());
    status.bytes = i64::try_from(result.bytes).ok();
    settle(status);
}

fn settle(status: &mut ImageBuilderCacheStatus) {
    status.failures = None;
    status.retry_at = None;
    status.job_name = None;
}

/// A pod that cannot start is said to, without Kubernetes' sentence where that counts things.
fn populating(problem: Option<&str>) -> (CachePhase, String, String) {
    match problem {
        None => {
            (CachePhase::Populating, "Populating".to_owned(), "a pod fills the tree".to_owned())
        }
        Some(problem) => (CachePhase::Populating, "NotStarted".to_owned(), problem.to_owned()),
    }
}

fn conditions(
    status: &mut ImageBuilderCacheStatus,
    phase: CachePhase,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    // An old tree stays in use while a new one is made, or cannot be.
    let ready = status.place.is_some();
    let under_way = matches!(phase, CachePhase::Pending | CachePhase::Populating);
    let stalled = phase == CachePhase::Failed && status.retry_at.is_none();
    let facts = [
        ("Ready", ready, message),
        ("Reconciling", under_way || (phase == CachePhase::Failed && !stalled), ""),
        ("Stalled", stalled, ""),
    ];
    for (type_, holds, message) in facts {
        let facts = ConditionFacts {
            type_,
            status: holds.into(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        set_condition(&mut status.conditions, &facts, generation, now);
    }
}
