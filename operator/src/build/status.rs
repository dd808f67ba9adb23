//! Makes the status of a FirmwareBuild: pure. Conditions hold the facts; phase and reason are
//! derived from them for people.

use asu_core::{
    failure::{Failure, FailureReason},
    stage::Stage,
};
use asu_crds::{
    BuildCondition as C, BuildPhase, BuildSummary, BuildTimes, ConditionFacts, ConditionStatus,
    FirmwareBuildStatus, Resolved, condition, set_condition,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::{CacheFact, Trouble};
use crate::queue::Turn;

/// Maximum length of a message, in characters; the schema allows a little more.
const MAX_MESSAGE: usize = 1000;

/// Reason of a build that pauses between two attempts.
pub const ATTEMPT_FAILED: &str = "AttemptFailed";

/// Reason of a build for whose revision upstream is asked.
const AWAITS_REVISION: &str = "WaitingForRevision";

/// Changes a status step by step. Ends with [`Self::finish`].
pub struct Writer {
    status: FirmwareBuildStatus,
    generation: Option<i64>,
    now: Timestamp,
}

/// How a build ended, for its status.
pub struct End<'a> {
    /// Why it failed; `None` for a success.
    pub failure: Option<(FailureReason, &'a str)>,
    /// When its pod started, if it did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// Number and size of its files.
    pub summary: BuildSummary,
}

impl Writer {
    /// Starts with the current status.
    pub fn new(old: &FirmwareBuildStatus, generation: Option<i64>, now: Timestamp) -> Self {
        let status = FirmwareBuildStatus { observed_generation: generation, ..old.clone() };
        Self { status, generation, now }
    }

    /// The finished status, with phase and reason.
    pub fn finish(self) -> FirmwareBuildStatus {
        self.status
    }

    fn set(&mut self, type_: C, status: ConditionStatus, reason: &str, message: &str) {
        let facts = ConditionFacts {
            type_: type_.as_str(),
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        set_condition(&mut self.status.conditions, &facts, self.generation, self.now);
    }

    fn times(&mut self) -> &mut BuildTimes {
        self.status.times.get_or_insert_default()
    }

    fn say(&mut self, phase: BuildPhase, reason: &str, message: &str) {
        self.status.phase = Some(phase);
        self.status.reason = Some(reason.to_owned());
        // Messages of Kubernetes may be longer than the schema allows.
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        self.status.message = Some(message.clone());
        let (ready, reconciling, stalled) = match phase {
            BuildPhase::Succeeded => (true, false, false),
            BuildPhase::Failed | BuildPhase::Cancelled => (false, false, true),
            BuildPhase::Pending | BuildPhase::Queued | BuildPhase::Running => (false, true, false),
        };
        // kstatus takes the message from the condition that holds.
        let said = |holds: bool| if holds { message.as_str() } else { "" };
        self.set(C::Ready, ready.into(), reason, &message);
        self.set(C::Reconciling, reconciling.into(), reason, said(reconciling));
        self.set(C::Stalled, stalled.into(), reason, said(stalled));
    }

    /// The build is accepted.
    pub fn accepted(&mut self, resolved: &Resolved) {
        if self.status.resolved.is_none() {
            self.status.resolved = Some(resolved.clone());
        }
        self.set(C::Accepted, ConditionStatus::True, "Valid", "");
    }

    /// The build waits for its Secret, its cache or its turn.
    pub fn queued(&mut self, cache: &CacheFact, turn: Option<Turn>, secret: Option<bool>) {
        let now = Time(self.now);
        self.times().queued_at.get_or_insert(now);
        let (reason, message) = match (cache, turn, secret) {
            (_, _, Some(false)) => {
                ("WaitingForDefaults", "the Secret with the first-boot script does not exist yet")
            }
            (CacheFact::Ready { .. }, Some(Turn::Paused), _) => {
                ("Paused", "the artifact store is nearly full: no build starts")
            }
            (CacheFact::Ready { .. }, ..) => ("Queued", "the build waits in the queue"),
            _ => ("WaitingForCache", "the cache of the ImageBuilder is not ready yet"),
        };
        self.cache(cache);
        self.set(C::Admitted, ConditionStatus::False, reason, message);
        self.status.stage = Some(Stage::Init.as_str().to_owned());
        self.say(BuildPhase::Queued, reason, message);
    }

    /// The build waits until upstream was asked for the revision that it requires.
    pub fn awaits_revision(&mut self, message: &str) {
        let now = Time(self.now);
        self.times().queued_at.get_or_insert(now);
        self.set(C::Accepted, ConditionStatus::Unknown, AWAITS_REVISION, message);
        self.status.stage = Some(Stage::Init.as_str().to_owned());
        self.say(BuildPhase::Pending, AWAITS_REVISION, message);
    }

    fn cache(&mut self, cache: &CacheFact) {
        match cache {
            CacheFact::Ready { .. } => self.set(C::CacheReady, ConditionStatus::True, "Ready", ""),
            CacheFact::NotReady { reason, .. } => {
                let reason = if reason.is_empty() { "Pending" } else { reason };
                self.set(C::CacheReady, ConditionStatus::False, reason, "");
            }
            CacheFact::Absent | CacheFact::Deleting => {
                self.set(C::CacheReady, ConditionStatus::False, "Pending", "");
            }
        }
    }

    /// An attempt is running.
    pub fn running(&mut self, job: &str, attempt: u32, trouble: Option<&Trouble>) {
        let now = Time(self.now);
        let times = self.times();
        times.queued_at.get_or_insert_with(|| now.clone());
        times.admitted_at.get_or_insert(now);
        let fresh = self.status.attempt != Some(attempt);
        self.status.attempt = Some(attempt);
        self.status.job_name = Some(job.to_owned());
        let waited = self.status.stage.as_deref().is_none_or(|stage| stage == Stage::Init.as_str());
        if fresh || waited {
            self.status.stage = Some(Stage::ContainerSetup.as_str().to_owned());
        }
        self.set(C::CacheReady, ConditionStatus::True, "Ready", "");
        self.set(C::Admitted, ConditionStatus::True, "Admitted", "");
        if fresh {
            // The condition is about the previous attempt.
            self.status.conditions.retain(|condition| condition.type_ != C::Succeeded.as_str());
        }
        let (reason, message) = match (trouble, attempt) {
            (Some(trouble), _) => (trouble.reason, trouble.message.as_str()),
            (None, 0 | 1) => ("Building", "the Job is running"),
            _ => ("BuildingAgain", "the Job is running, after an infrastructure failure"),
        };
        self.say(BuildPhase::Running, reason, message);
    }

    /// Sets the memory limit of the next attempt.
    pub fn more_memory(&mut self, memory: Option<String>) {
        self.status.memory = memory.or(self.status.memory.take());
    }

    /// The Job of an attempt is suspended.
    pub fn suspended(&mut self, job: &str, attempt: u32) {
        self.status.attempt = Some(attempt);
        self.status.job_name = Some(job.to_owned());
        self.wait_again("Suspended", "the Job is suspended: it has no pod until it is resumed");
    }

    /// The cluster does not allow the creation of the Job now.
    pub fn forbidden(&mut self, said: &str) {
        let message = format!("the Job cannot be created; it is tried again: {said}");
        self.wait_again("JobForbidden", &message);
    }

    /// The build has lost its place and waits again.
    fn wait_again(&mut self, reason: &str, message: &str) {
        self.set(C::Admitted, ConditionStatus::False, reason, "");
        self.status.stage = Some(Stage::Init.as_str().to_owned());
        self.say(BuildPhase::Queued, reason, message);
    }

    /// An attempt failed. It replaces a success in the status whose files are gone.
    pub fn failed_attempt(&mut self, attempt: u32, failure: &Failure, next: Option<Timestamp>) {
        let times = self.times();
        (times.started_at, times.finished_at) = (None, None);
        let (reason, detail) = (failure.reason.as_str(), failure.detail.as_str());
        let message = format!("{}{detail}", prefix(attempt));
        self.set(C::Succeeded, ConditionStatus::Unknown, reason, &message);
        let next = next.map(|at| format!("; the next attempt starts at {at}")).unwrap_or_default();
        let message = format!("attempt {attempt} failed ({reason}): {detail}{next}");
        self.wait_again(ATTEMPT_FAILED, &message);
    }

    /// The build ended without being accepted: there is nothing to record.
    pub fn refused(&mut self, reason: FailureReason, message: &str) {
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        let reason = reason.as_str();
        let now = Time(self.now);
        let times = self.times();
        times.finished_at = Some(now.clone());
        times.archived_at = Some(now);
        self.set(C::Accepted, ConditionStatus::False, reason, &message);
        self.set(C::Succeeded, ConditionStatus::False, reason, &message);
        self.set(C::Archived, ConditionStatus::True, "NothingToRecord", "");
        self.say(BuildPhase::Failed, reason, &message);
    }

    /// The build ended. `archived` says whether its record is in the database.
    pub fn ended(&mut self, end: &End<'_>, archived: bool) {
        let (ok, reason, message) = match &end.failure {
            None => (true, "Succeeded", "the image was built"),
            Some((reason, message)) => (false, reason.as_str(), *message),
        };
        let now = Time(self.now);
        let times = self.times();
        times.started_at = end.started.map(Time);
        times.finished_at = Some(Time(end.finished));
        self.set(C::Succeeded, ok.into(), reason, message);
        if !archived {
            let waits =
                "the build has ended; its record is written when the database is available again";
            self.set(C::Archived, ConditionStatus::False, "DatabaseUnavailable", waits);
            self.say(BuildPhase::Running, "DatabaseUnavailable", waits);
            return;
        }
        self.times().archived_at = Some(now);
        self.status.result = Some(end.summary.clone());
        self.set(C::Archived, ConditionStatus::True, "Archived", "");
        let phase = match &end.failure {
            None => BuildPhase::Succeeded,
            Some((FailureReason::Cancelled, _)) => BuildPhase::Cancelled,
            Some(_) => BuildPhase::Failed,
        };
        self.say(phase, reason, message);
    }
}

/// Prefix of the message of the condition `Succeeded` after a failed attempt.
fn prefix(attempt: u32) -> String {
    format!("Attempt {attempt}: ")
}

/// The failure of an attempt from the status of a build that is not finished.
pub fn attempt_failure(status: &FirmwareBuildStatus, attempt: u32) -> Option<Failure> {
    let verdict = condition(&status.conditions, C::Succeeded.as_str())?;
    let detail = verdict.message.strip_prefix(&prefix(attempt))?;
    let reason = FailureReason::parse(&verdict.reason).filter(|_| verdict.status == "Unknown")?;
    Some(Failure::new(reason, detail))
}
