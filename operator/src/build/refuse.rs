//! Ends a build that was never accepted: writes its status and an event, but no record. Called by
//! the controller.

use asu_core::failure::FailureReason;
use kube::Resource;

use super::{fault::Fault, pass::Pass, status::Writer};

impl Pass {
    /// Refuses a build whose fields contradict each other or the catalog.
    pub(super) async fn refuse(&mut self, problem: &str) -> Result<(), Fault> {
        self.never_accept(FailureReason::Refused, problem).await
    }

    /// Refuses a build that requires a revision which upstream does not have. A repeated request makes a
    /// new build, for which upstream is asked again.
    pub(super) async fn refuse_revision(&mut self, problem: &str) -> Result<(), Fault> {
        self.never_accept(FailureReason::RevisionMismatch, problem).await
    }

    /// Refuses a build because `earlier` older builds wait. A repeated request makes a new build.
    pub(super) async fn turn_away(&mut self, earlier: usize) -> Result<(), Fault> {
        let problem =
            format!("the queue is full: {earlier} older builds wait; create the build again later");
        self.never_accept(FailureReason::QueueFull, &problem).await?;
        self.context.metrics.finished(FailureReason::QueueFull.as_str(), None);
        Ok(())
    }

    async fn never_accept(&mut self, reason: FailureReason, problem: &str) -> Result<(), Fault> {
        self.release();
        let generation = self.build.metadata.generation;
        let mut writer = Writer::new(&self.facts.status, generation, self.facts.now);
        writer.refused(reason, problem);
        self.publish(writer.finish()).await?;
        let on = self.build.object_ref(&());
        self.context.events.warning(&on, reason.as_str(), problem).await;
        Ok(())
    }
}
