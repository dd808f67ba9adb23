//! Writes the status of a FirmwareBuild while it runs or waits, and the events that go with it.
//! Called by the controller; the final status is written by `finish.rs`.

use std::{sync::Arc, time::Duration};

use asu_core::{
    failure::{Failure, FailureReason},
    stage::Stage,
};
use asu_crds::{FirmwareBuild, FirmwareBuildStatus, labels};
use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    dereference,
    facts::Trouble,
    fault::Fault,
    memory,
    pass::{Pass, SAFETY},
    status::attempt_failure,
};
use crate::{
    pods::verdict::{PodState, pod_state},
    runtime::{events::Attempt::Fails, patch::write_status},
    stages,
    watches::Strip,
};

impl Pass {
    /// Writes that an attempt is running, and follows the log of its pod.
    pub(super) async fn running(
        &mut self,
        job: &str,
        attempt: u32,
        trouble: Option<&Trouble>,
        again: Option<Duration>,
    ) -> Result<Action, Fault> {
        let mut writer = self.writer();
        writer.running(job, attempt, trouble);
        let new = writer.finish();
        if trouble.is_some() {
            self.tell(new).await?;
        } else {
            self.publish(new).await?;
        }
        let pods = dereference::pods(&self.context, &self.build);
        let live = pods.iter().find(|pod| pod_state(pod) == PodState::Running);
        if let Some(pod) = live {
            let known = self.facts.status.stage.as_deref().and_then(Stage::parse);
            let (name, uid) = (self.build.name_any(), self.uid());
            stages::follow(&self.context, &name, &uid, &pod.name_any(), known);
        }
        Ok(Action::requeue(again.unwrap_or(SAFETY)))
    }

    /// Writes that its Job is suspended.
    pub(super) async fn suspended(&mut self, job: &str, attempt: u32) -> Result<(), Fault> {
        let mut writer = self.writer();
        writer.suspended(job, attempt);
        self.tell(writer.finish()).await
    }

    /// Writes why its Job may not be created: a quota, a missing permission or a policy of the
    /// cluster.
    pub(super) async fn forbidden(&mut self, error: &kube::Error) -> Result<(), Fault> {
        let mut writer = self.writer();
        writer.forbidden(&error.to_string());
        self.tell(writer.finish()).await
    }

    /// Writes a status that needs attention, with a warning event when its reason is new.
    async fn tell(&mut self, new: FirmwareBuildStatus) -> Result<(), Fault> {
        let is_new = self.facts.status.reason != new.reason;
        let (reason, message) = (new.reason.clone(), new.message.clone());
        self.publish(new).await?;
        if is_new {
            let on = self.build.object_ref(&());
            let (reason, message) = (reason.unwrap_or_default(), message.unwrap_or_default());
            self.context.events.warning(&on, &reason, &message).await;
        }
        Ok(())
    }

    /// Writes that an attempt failed. Does nothing if the status already says it.
    pub(super) async fn write_failed(
        &mut self,
        attempt: u32,
        failure: &Failure,
        next: Option<Timestamp>,
    ) -> Result<(), Fault> {
        let mut writer = self.writer();
        if failure.reason == FailureReason::OutOfMemory
            && attempt_failure(&self.facts.status, attempt).is_none()
        {
            let last = self.facts.status.memory.as_deref();
            writer.more_memory(memory::after(&self.context.settings.builds, last));
        }
        writer.failed_attempt(attempt, failure, next);
        let new = writer.finish();
        if new == self.facts.status {
            return Ok(());
        }
        self.publish(new).await?;
        let on = self.build.object_ref(&());
        let note = format!("attempt {attempt} failed: {}", failure.detail);
        let reason = failure.reason.as_str();
        self.context.events.attempt(&on, Fails(attempt), reason, &note).await;
        Ok(())
    }

    /// Writes that the build waits, and for what.
    pub(super) async fn publish_queued(&mut self) -> Result<(), Fault> {
        let mut writer = self.writer();
        writer.queued(&self.facts.cache, self.facts.turn, self.facts.secret);
        self.publish(writer.finish()).await
    }

    /// Writes the status if it differs.
    pub(super) async fn publish(&mut self, mut new: FirmwareBuildStatus) -> Result<(), Fault> {
        // Set once: every later write changes the resourceVersion that the sequence is taken from.
        new.sequence.get_or_insert_with(|| {
            let entry = self.context.triggers.pending.entry(&self.build);
            i64::try_from(entry.waiting.sequence).unwrap_or(i64::MAX)
        });
        let api = self.context.api::<FirmwareBuild>();
        let name = self.build.name_any();
        let old = self.build.status.as_ref();
        let written = write_status(&api, &name, labels::BUILD_MANAGER, old, &new).await?;
        if let Some(mut written) = written {
            written.strip();
            self.context.recent_builds.record(written.clone());
            self.build = Arc::new(written);
        }
        self.facts.status = new;
        Ok(())
    }
}
