//! Makes the status of a Distribution from the result of a pass: pure.

use asu_crds::{ConditionFacts, ConditionStatus, DistributionStatus, set_condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decide::{Decision, counts};

/// The result of one pass.
pub enum Facts<'a> {
    /// The catalog was written.
    Written {
        /// The merged reading.
        decision: &'a Decision,
        /// Revision of the catalog that was written.
        revision: i64,
    },
    /// One target was read again, and the catalog was written. Nothing else of the status changes.
    Looked {
        /// Revision of the catalog that was written.
        revision: i64,
    },
    /// The spec is invalid, with the reason: no retry until it changes.
    Refused(String),
    /// The spec suspends the Distribution: upstream is not read.
    Suspended,
    /// The pass failed and is retried; the last good catalog stays.
    Failed {
        /// Reason of the condition, of a closed set.
        reason: &'static str,
        /// Explanation for people, one sentence.
        message: String,
    },
}

/// The status after a pass.
pub fn status(
    old: Option<&DistributionStatus>,
    generation: Option<i64>,
    facts: &Facts<'_>,
    now: Timestamp,
) -> DistributionStatus {
    let mut status = old.cloned().unwrap_or_default();
    if let Facts::Written { revision, .. } | Facts::Looked { revision } = facts {
        status.catalog_revision = Some(*revision);
    }
    status.observed_generation = generation;
    let (ready, reason, message) = match facts {
        Facts::Written { decision, .. } => {
            status.latest.clone_from(&decision.offer.latest);
            status.counts = Some(counts(&decision.versions));
            status.branches.clone_from(&decision.problems);
            if decision.problems.is_empty() {
                status.last_successful_update = Some(Time(now));
            }
            written(decision)
        }
        Facts::Suspended => {
            let message = "suspended: upstream is not read, and what was read last stays offered";
            (status.catalog_revision.is_some().into(), "Suspended", message.to_owned())
        }
        Facts::Refused(message) => (ConditionStatus::False, "Refused", message.clone()),
        // A catalog that was written before is still served.
        Facts::Failed { reason, message } => {
            (status.catalog_revision.is_some().into(), *reason, message.clone())
        }
        Facts::Looked { .. } => return status,
    };
    let message: String = message.chars().take(1000).collect();
    let stalled = matches!(facts, Facts::Refused(_));
    let reconciling = match facts {
        Facts::Written { decision, .. } => decision.versions.is_empty(),
        Facts::Refused(_) | Facts::Suspended | Facts::Looked { .. } => false,
        Facts::Failed { .. } => true,
    };
    // kstatus takes the message from the condition that holds.
    let said = |holds: bool| if holds { message.clone() } else { String::new() };
    let conditions = [
        ("Ready", ready, message.clone()),
        ("Reconciling", reconciling.into(), said(reconciling)),
        ("Stalled", stalled.into(), said(stalled)),
    ];
    for (type_, value, message) in conditions {
        let facts = ConditionFacts { type_, status: value, reason: reason.to_owned(), message };
        set_condition(&mut status.conditions, &facts, generation, now);
    }
    status
}

fn written(decision: &Decision) -> (ConditionStatus, &'static str, String) {
    let all = || decision.problems.iter().flat_map(|branch| &branch.problems);
    let more = match all().count() {
        0 | 1 => String::new(),
        count => format!(", and {} more problems (status.branches)", count.saturating_sub(1)),
    };
    let consequence = "what was read before stays offered, and upstream is read again";
    match all().next() {
        None => (ConditionStatus::True, "UpToDate", "everything listed is offered".to_owned()),
        Some(problem) if decision.versions.is_empty() => {
            (ConditionStatus::False, "NothingRead", format!("{problem}{more}; it is read again"))
        }
        Some(problem) => {
            (ConditionStatus::True, "PartlyRead", format!("{problem}{more}; {consequence}"))
        }
    }
}
