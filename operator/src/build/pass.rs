//! What the parts of a pass over a FirmwareBuild have in common.

use std::{sync::Arc, time::Duration};

use asu_crds::{FirmwareBuild, Resolved};
use kube::ResourceExt;

use super::{facts::Facts, fault::Fault, pending::wake, status::Writer};
use crate::context::Context;

/// How often a build is looked at although no watch reported anything: watches miss nothing in
/// normal work.
pub(super) const SAFETY: Duration = Duration::from_mins(10);

/// One pass.
pub(super) struct Pass {
    pub(super) context: Arc<Context>,
    pub(super) build: Arc<FirmwareBuild>,
    pub(super) facts: Facts,
    pub(super) whole: Option<Arc<FirmwareBuild>>,
    /// Whether it created a Job.
    pub(super) created: bool,
}

impl Pass {
    /// The object with its package lists, which the store does not hold.
    pub(super) async fn whole(&mut self) -> Result<Arc<FirmwareBuild>, Fault> {
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

    /// What the build was resolved to, now or before.
    pub(super) fn resolved(&self) -> Option<Resolved> {
        let now = self.facts.validity.as_ref().and_then(|validity| validity.as_ref().ok());
        self.facts.status.resolved.as_ref().or(now).cloned()
    }

    /// Number of the newest attempt; 0 before the first.
    pub(super) fn attempts(&self) -> u32 {
        let newest = self.facts.jobs.iter().map(|job| job.attempt).max();
        newest.max(self.facts.status.attempt).unwrap_or_default()
    }

    /// It ended.
    pub(super) fn leave(&self) {
        self.context.followers.stop(&self.uid());
        self.give_place();
    }

    /// Gives back its place in the queue or in line, and wakes who is called.
    pub(super) fn give_place(&self) {
        wake(&self.context, &self.context.queue.leave(&self.uid(), self.facts.now));
    }

    pub(super) fn take_place(&self) {
        wake(&self.context, &self.context.queue.runs(&self.uid(), self.facts.now));
    }

    /// A status in the making, with what was resolved.
    pub(super) fn writer(&self) -> Writer {
        let generation = self.build.metadata.generation;
        let mut writer = Writer::new(&self.facts.status, generation, self.facts.now);
        if let Some(resolved) = self.resolved() {
            writer.accepted(&resolved);
        }
        writer
    }
}
