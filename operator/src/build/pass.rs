//! The state of one pass over a FirmwareBuild, shared by `controller.rs`, `publish.rs`, `finish.rs`
//! and `refuse.rs`.

use std::{sync::Arc, time::Duration};

use asu_crds::{FirmwareBuild, Resolved};
use kube::ResourceExt;

use super::{facts::Facts, fault::Fault, pending::wake, status::Writer};
use crate::context::Context;

/// Interval of passes without any watch event. A safety net: in normal operation watches miss
/// nothing.
pub(super) const SAFETY: Duration = Duration::from_mins(10);

/// The state of one pass.
pub(super) struct Pass {
    pub(super) context: Arc<Context>,
    pub(super) build: Arc<FirmwareBuild>,
    pub(super) facts: Facts,
    pub(super) whole: Option<Arc<FirmwareBuild>>,
    /// Whether this pass created a Job.
    pub(super) created: bool,
}

impl Pass {
    /// The whole object from the API server: the watch cache holds it without its package lists.
    pub(super) async fn full_object(&mut self) -> Result<Arc<FirmwareBuild>, Fault> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let found = self.context.api::<FirmwareBuild>().get_opt(&self.build.name_any()).await?;
        let mut found =
            found.filter(|found| found.uid() == self.build.uid()).ok_or(Fault::Replaced)?;
        // Deciding and writing go by one status: the one that the facts are about.
        found.status = Some(self.facts.status.clone());
        let whole = Arc::new(found);
        self.whole = Some(whole.clone());
        Ok(whole)
    }

    pub(super) fn uid(&self) -> String {
        self.build.uid().unwrap_or_default()
    }

    /// What the build was resolved to, by this pass or an earlier one.
    pub(super) fn resolved(&self) -> Option<Resolved> {
        let now = self.facts.validity.as_ref().and_then(|validity| validity.as_ref().ok());
        self.facts.status.resolved.as_ref().or(now).cloned()
    }

    /// Number of the newest attempt; 0 before the first.
    pub(super) fn attempts(&self) -> u32 {
        let newest = self.facts.jobs.iter().map(|job| job.attempt).max();
        newest.max(self.facts.status.attempt).unwrap_or_default()
    }

    /// Stops following the log of an ended build, and gives its place back.
    pub(super) fn release(&self) {
        self.context.followers.stop(&self.uid());
        self.give_place();
    }

    /// Removes the build from the queue or gives its place back, and wakes the builds whose turn it
    /// is.
    pub(super) fn give_place(&self) {
        wake(&self.context, &self.context.queue.remove(&self.uid(), self.facts.now));
    }

    pub(super) fn take_place(&self) {
        wake(&self.context, &self.context.queue.runs(&self.uid(), self.facts.now));
    }

    /// A writer that starts with the current status and what was resolved.
    pub(super) fn writer(&self) -> Writer {
        let generation = self.build.metadata.generation;
        let mut writer = Writer::new(&self.facts.status, generation, self.facts.now);
        if let Some(resolved) = self.resolved() {
            writer.accepted(&resolved);
        }
        writer
    }
}
