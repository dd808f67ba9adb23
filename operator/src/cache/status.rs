//! Makes the status of an ImageBuilderCache from a decision: pure.

use asu_core::result::PopulateResult;
use asu_crds::{CachePhase, ConditionFacts, ImageBuilderCacheStatus, condition, set_condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    decision::Decision,
    lost::{CLAIM_LOST, TREE_LOST},
    validate::Validated,
};

/// Reason of a cache that cannot be filled because no Distribution lists its version.
pub const NOT_OFFERED: &str = "NotOffered";

/// Reason of a cache that its spec suspends.
pub const SUSPENDED: &str = "Suspended";

/// Number of builds that use a cache, and when a build last began to use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Number of builds that have an active Job on it.
    pub users: u32,
    /// When a build last began to use it.
    pub last_used: Option<Timestamp>,
}

impl CacheUsage {
    /// The usage that the status contains.
    pub fn of(status: &ImageBuilderCacheStatus) -> Self {
        Self {
            users: status.users.unwrap_or_default(),
            last_used: status.last_used.as_ref().map(|time| time.0),
        }
    }
}

/// The status after a pass. `usage` is absent if it is not to be written in this pass.
pub fn status(
    old: &ImageBuilderCacheStatus,
    generation: Option<i64>,
    valid: &Validated,
    decision: &Decision,
    usage: Option<CacheUsage>,
    now: Timestamp,
) -> ImageBuilderCacheStatus {
    let mut status = old.clone();
    status.observed_generation = generation;
    if let Some(usage) = usage {
        status.users = Some(usage.users);
        status.last_used = usage.last_used.map(Time);
    }
    if let Decision::Lost { message, retry_at, .. } = decision {
        return lost(old, generation, (CLAIM_LOST, message), *retry_at, now);
    }
    if let Some((phase, reason, message)) = follow(&mut status, valid, decision) {
        say(&mut status, (phase, &reason, &message), generation, now);
    }
    status
}

/// Records what a decision changes besides the conditions. Returns what is said about it.
fn follow(
    status: &mut ImageBuilderCacheStatus,
    valid: &Validated,
    decision: &Decision,
) -> Option<(CachePhase, String, String)> {
    Some(match decision {
        Decision::Ready { .. } => {
            settle(status, valid);
            (CachePhase::Ready, "Ready".to_owned(), "the tree is ready".to_owned())
        }
        Decision::Populate { job, .. } => {
            status.job_name = Some(job.clone());
            populating(None)
        }
        Decision::Clearing { .. } => {
            let message = "the remains of an old tree are being deleted";
            (CachePhase::Populating, "Clearing".to_owned(), message.to_owned())
        }
        Decision::Populating { job, trouble } => {
            status.job_name = Some(job.clone());
            populating(trouble.as_ref())
        }
        Decision::ClaimGoing { reason, message, .. } => {
            (CachePhase::Populating, (*reason).to_owned(), message.clone())
        }
        Decision::Done { result } => {
            take_over(status, valid, result);
            (CachePhase::Ready, "Ready".to_owned(), "the tree is ready".to_owned())
        }
        Decision::Failed { reason, message, retry_at, failures, full, .. } => {
            status.full_claim_uid = full.as_ref().map(|full| full.uid.clone());
            if let Some(full) = full {
                status.claim_bytes = i64::try_from(full.next).ok();
            }
            status.failures = Some(*failures);
            status.retry_at = Some(Time(*retry_at));
            status.job_name = None;
            (CachePhase::Failed, reason.clone(), message.clone())
        }
        Decision::Waiting { .. } | Decision::Lost { .. } => return None,
        Decision::Suspended => {
            let message = "the cache is suspended: its tree is not made, refreshed or deleted";
            let ready = status.place.is_some();
            let phase = if ready { CachePhase::Ready } else { CachePhase::Pending };
            (phase, SUSPENDED.to_owned(), message.to_owned())
        }
        Decision::Orphaned => {
            let message = "no Distribution lists this version with its keys";
            (CachePhase::Failed, NOT_OFFERED.to_owned(), message.to_owned())
        }
    })
}

/// The status after the loss of a tree that was ready.
pub fn lost(
    old: &ImageBuilderCacheStatus,
    generation: Option<i64>,
    (reason, message): (&str, &str),
    retry_at: Option<Timestamp>,
    now: Timestamp,
) -> ImageBuilderCacheStatus {
    let mut status = ImageBuilderCacheStatus {
        observed_generation: generation,
        users: old.users,
        last_used: old.last_used.clone(),
        losses: Some(old.losses.unwrap_or_default().saturating_add(1)),
        retry_at: retry_at.map(Time),
        last_handled_refresh: old.last_handled_refresh.clone(),
        claim_bytes: old.claim_bytes,
        conditions: old.conditions.clone(),
        ..ImageBuilderCacheStatus::default()
    };
    say(&mut status, (CachePhase::Populating, reason, message), generation, now);
    status
}

fn say(
    status: &mut ImageBuilderCacheStatus,
    (phase, reason, message): (CachePhase, &str, &str),
    generation: Option<i64>,
    now: Timestamp,
) {
    let message: String = message.chars().take(1000).collect();
    conditions(status, phase, reason, &message, generation, now);
    status.phase = Some(phase);
    status.reason = Some(reason.to_owned());
    status.message = Some(message);
}

/// Records the new tree, which builds use from now on.
fn take_over(status: &mut ImageBuilderCacheStatus, valid: &Validated, result: &PopulateResult) {
    status.place = Some(valid.place.clone());
    status.builder_image = Some(valid.builder_image.clone());
    let image = valid.plan.as_ref().and_then(|plan| plan.image.as_ref());
    status.image = image.map(|image| image.reference.chars().take(640).collect());
    status.revision = Some(result.revision.chars().take(64).collect());
    status.bytes = i64::try_from(result.bytes).ok();
    settle(status, valid);
}

fn settle(status: &mut ImageBuilderCacheStatus, valid: &Validated) {
    status.last_handled_refresh.clone_from(&valid.refresh);
    status.full_claim_uid = None;
    status.failures = None;
    status.retry_at = None;
    status.job_name = None;
}

fn populating(trouble: Option<&(&'static str, String)>) -> (CachePhase, String, String) {
    let (reason, message) = match trouble {
        None => ("Populating", "the populate Job is running"),
        Some((reason, message)) => (*reason, message.as_str()),
    };
    (CachePhase::Populating, reason.to_owned(), message.to_owned())
}

fn conditions(
    status: &mut ImageBuilderCacheStatus,
    phase: CachePhase,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    // An old tree stays in use until a new one is ready.
    let ready = status.place.is_some();
    let under_way =
        phase == CachePhase::Populating || (phase == CachePhase::Pending && reason != SUSPENDED);
    let stalled = phase == CachePhase::Failed && status.retry_at.is_none();
    // The reason why a tree was lost is kept until a tree is ready again.
    let lost = condition(&status.conditions, "Ready").filter(|old| {
        let known = [CLAIM_LOST, TREE_LOST].contains(&old.reason.as_str());
        known && old.status == "False" && under_way && ![CLAIM_LOST, TREE_LOST].contains(&reason)
    });
    let lost = lost.map(|old| (old.reason.clone(), old.message.clone()));
    let (why, what) =
        lost.as_ref().map_or((reason, message), |(why, what)| (why.as_str(), what.as_str()));
    let reconciling = under_way || (phase == CachePhase::Failed && !stalled);
    // kstatus takes the message from the condition that holds.
    let said = |holds: bool| if holds { message } else { "" };
    let facts = [
        ("Ready", ready, why, what),
        ("Reconciling", reconciling, reason, said(reconciling)),
        ("Stalled", stalled, reason, said(stalled)),
    ];
    for (type_, holds, reason, message) in facts {
        let facts = ConditionFacts {
            type_,
            status: holds.into(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        set_condition(&mut status.conditions, &facts, generation, now);
    }
}
