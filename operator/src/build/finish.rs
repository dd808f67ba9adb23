//! Ends a build: checks that its files exist, writes its record in one transaction, then its final
//! status in one write. Called by the controller. The status must never say `Archived` before the
//! record exists.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use asu_core::{
    failure::{Failure, FailureReason},
    result::store_keys,
};
use asu_store::{
    StoreError,
    model::{Ending, LogRecord},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    apply,
    archive::{Archived, record, summary},
    dereference,
    fault::Fault,
    pass::Pass,
    status::End,
    step::MAX_ATTEMPTS,
    validate::own,
};
use crate::pods::verdict::{JobState, ended_at, started_at};

/// Time after which an archived build is reconciled to delete its Jobs, if no watch event does it
/// before.
const TIDY: Duration = Duration::from_secs(5);

/// How a build ended, with its log and the durations of its steps.
pub(super) struct Finish {
    pub(super) ending: Ending,
    pub(super) log: Option<LogRecord>,
    pub(super) millis: BTreeMap<String, u64>,
}

impl Finish {
    /// Writes the record, then the final status.
    pub(super) async fn run(mut self, pass: &mut Pass) -> Result<Action, Fault> {
        pass.release();
        let (started, finished) = times(pass);
        match self.write(pass, started, finished).await {
            Ok(()) => {}
            Err(Fault::Store(StoreError::FilesMissing(what))) => {
                if pass.attempts() < MAX_ATTEMPTS {
                    return pass.drop_result(&what).await;
                }
                self.ending = Ending::Failed(Failure::new(FailureReason::Internal, &what));
                self.write(pass, started, finished).await?;
            }
            Err(Fault::Store(StoreError::Conflict(what))) if self.ending.built().is_some() => {
                tracing::error!(what, "the result contradicts what is stored already");
                let detail = "The same inputs gave other files than before";
                self.ending = Ending::Failed(Failure::new(FailureReason::Internal, detail));
                self.write(pass, started, finished).await?;
            }
            Err(Fault::Store(error)) if error.is_unavailable() => {
                self.publish(pass, started, finished, false).await?;
                return Err(error.into());
            }
            Err(fault) => return Err(fault),
        }
        if pass.facts.deleted && pass.facts.jobs.is_empty() {
            return self.drop_unused(pass, finished).await;
        }
        // Before the status is written: once it says `Archived`, this function does not run again.
        apply::delete_script(&pass.context, &pass.build).await;
        self.publish(pass, started, finished, true).await?;
        self.tell(pass, finished).await;
        Ok(Action::requeue(TIDY))
    }

    async fn write(
        &self,
        pass: &mut Pass,
        started: Option<Timestamp>,
        finished: Timestamp,
    ) -> Result<(), Fault> {
        let epoch = pass.context.epoch()?;
        let whole = pass.full_object().await?;
        let mut build = (*whole).clone();
        let mut status = pass.facts.status.clone();
        status.resolved = pass.resolved();
        build.status = Some(status);
        let Ok((request, hash)) = own(&build) else { return Err(Fault::Undecided) };
        let distribution = dereference::distribution(&pass.context, &request.distribution);
        let snapshot = distribution.is_some_and(|distribution| {
            let branch = distribution.spec.branch_of(&request.version);
            branch.is_some_and(|branch| branch.rebuilds(&request.version))
        });
        let ended = Archived {
            build: &build,
            request,
            hash,
            ending: self.ending.clone(),
            log: self.log.clone(),
            millis: self.millis.clone(),
            snapshot,
            started,
            finished,
        };
        let new = record(&ended, &pass.context.settings.lifetimes.policy(), pass.facts.now);
        let files = &pass.context.artifacts;
        // Its future is large, and would make those of all callers large.
        Box::pin(pass.context.database.archive_with(&new, files, epoch)).await?;
        Ok(())
    }

    async fn publish(
        &self,
        pass: &mut Pass,
        started: Option<Timestamp>,
        finished: Timestamp,
        archived: bool,
    ) -> Result<(), Fault> {
        let failure = self.ending.failure();
        let end = End {
            failure: failure.map(|failure| (failure.reason, failure.detail.as_str())),
            started,
            finished,
            summary: summary(&self.ending, self.log.is_some()),
        };
        let mut writer = pass.writer();
        writer.ended(&end, archived);
        pass.publish(writer.finish()).await
    }

    /// Removes the finalizer of a deleted object without writing a final status, which nobody could
    /// read. If this fails, the next pass repeats it and finds the record.
    async fn drop_unused(&self, pass: &mut Pass, finished: Timestamp) -> Result<Action, Fault> {
        apply::delete_script(&pass.context, &pass.build).await;
        apply::set_finalizer(&pass.context, &pass.build, false).await?;
        self.count(pass, finished);
        Ok(Action::await_change())
    }

    async fn tell(&self, pass: &Pass, finished: Timestamp) {
        self.count(pass, finished);
        let on = pass.build.object_ref(&());
        match self.ending.failure() {
            None => {
                pass.context.events.normal(&on, "Succeeded", "the image was built").await;
            }
            Some(failure) => {
                let reason = failure.reason.as_str();
                pass.context.events.warning(&on, reason, &failure.detail).await;
            }
        }
    }
}

impl Finish {
    fn count(&self, pass: &Pass, finished: Timestamp) {
        let times = pass.facts.status.times.as_ref();
        let admitted = times.and_then(|times| times.admitted_at.as_ref()).map(|time| time.0);
        let seconds = admitted.map(|at| finished.duration_since(at).as_secs_f64().max(0.0));
        let outcome = self.ending.failure().map_or("Succeeded", |failure| failure.reason.as_str());
        pass.context.metrics.finished(outcome, seconds);
    }
}

impl Pass {
    /// Deletes a committed result whose files are gone, so that another attempt begins. The verdict
    /// in the status is taken back first, because it has no meaning without the result.
    async fn drop_result(&mut self, what: &str) -> Result<Action, Fault> {
        tracing::warn!(build = self.build.name_any(), what, "ignoring an invalid result");
        let detail = format!("Its files are gone from the store: {what}");
        let lost = Failure::new(FailureReason::Internal, detail);
        self.take_back(self.attempts(), &lost, None).await
    }

    /// Deletes the committed result of an attempt, after the status says why it does not count.
    pub(super) async fn take_back(
        &mut self,
        attempt: u32,
        failure: &Failure,
        next: Option<Timestamp>,
    ) -> Result<Action, Fault> {
        self.write_failed(attempt, failure, next).await?;
        self.context.artifacts.delete(&store_keys::result(&self.uid())).await?;
        Ok(Action::requeue(Duration::from_secs(1)))
    }
}

/// Start and end of the build, from its status, else its newest pod, else its Job.
fn times(pass: &Pass) -> (Option<Timestamp>, Timestamp) {
    let said = pass.facts.status.times.clone().unwrap_or_default();
    let pods = dereference::pods(&pass.context, &pass.build);
    // Only the newest attempt counts, even if it has not ended yet.
    let job = pass.facts.jobs.iter().max_by_key(|job| job.attempt);
    let name = job.map(|job| &job.name).or(pass.facts.status.job_name.as_ref());
    let ours =
        |pod: &&Arc<Pod>| pod.owner_references().iter().any(|owner| Some(&owner.name) == name);
    let pod = pods.iter().filter(ours).max_by_key(|pod| pod.creation_timestamp());
    let over = job.filter(|job| job.state != JobState::Active);
    let started = said.started_at.map(|time| time.0);
    let started = started.or_else(|| pod.and_then(|pod| started_at(pod)));
    let finished = said.finished_at.map(|time| time.0);
    let finished = finished.or_else(|| pod.and_then(|pod| ended_at(pod)));
    let finished = finished.or_else(|| over.and_then(|job| job.ended));
    let whole = crate::context::whole_seconds;
    (started.map(whole), whole(finished.unwrap_or(pass.facts.now)))
}
