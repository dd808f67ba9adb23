//! Builds and the queue: who stands in it, and who leaves it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use asu_core::{
    line::{Line, sequence},
    queue::{Priority, Waiting},
};
use asu_crds::{BuildCondition, BuildPriority, FirmwareBuild, condition, is_true, labels};
use kube::ResourceExt;

use crate::{
    context::Context,
    pods::verdict::{JobState, job_state},
    queue::Entry,
    watches::Change,
};

/// Fills the queue when a process begins to lead: builds that have a place keep it.
pub fn seed(context: &Context) {
    let mut busy = BTreeSet::new();
    for job in context.stores.jobs.state() {
        if job_state(&job) == JobState::Active && job.labels().contains_key(labels::BUILD) {
            busy.extend(job.owner_references().iter().map(|owner| owner.uid.clone()));
        }
    }
    for build in context.stores.builds.state() {
        let status = build.status.clone().unwrap_or_default();
        let holds = |type_: BuildCondition| is_true(&status.conditions, type_.as_str());
        let Some(uid) = build.uid() else { continue };
        let verdict = condition(&status.conditions, BuildCondition::Succeeded.as_str());
        if verdict.is_some_and(|verdict| verdict.status != "Unknown") {
            continue;
        }
        if holds(BuildCondition::Admitted) || busy.contains(&uid) {
            context.queue.resume(&uid);
        } else if holds(BuildCondition::CacheReady) {
            context.queue.remember(entry(&build));
        }
    }
}

/// Forgets a build that is gone, and wakes whose turn it is.
pub fn forget(context: &Context, uid: &str) {
    context.followers.stop(uid);
    context.recent_builds.forget(uid);
    for name in context.queue.leave(uid, context.now()) {
        context.triggers.build(&name);
    }
}

/// Builds that wait, in the order of the watch: what it has told of a build is all that was written
/// before.
#[derive(Debug, Default)]
pub struct Pending(Mutex<Line>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what the watch tells.
    pub fn saw(&self, change: &Change<'_, FirmwareBuild>) {
        match change {
            Change::Present(build) if waits(build) => self.lock().insert(&entry(build).waiting),
            Change::Present(build) | Change::Gone(build) => {
                self.lock().remove(&build.uid().unwrap_or_default());
            }
        }
    }

    /// How many older ones wait.
    pub fn earlier(&self, build: &FirmwareBuild) -> usize {
        self.lock().earlier(&entry(build).waiting)
    }

    /// The entry of a build that may wait already: a write of anybody does not make it younger.
    pub fn entry(&self, build: &FirmwareBuild) -> Entry {
        let mut entry = entry(build);
        entry.waiting.sequence = self.lock().sequence(&entry.waiting);
        entry
    }
}

/// Whether a build has yet to begin. One that is being deleted never will.
fn waits(build: &FirmwareBuild) -> bool {
    let status = build.status.as_ref();
    let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
    let holds = |type_: BuildCondition| is_true(conditions, type_.as_str());
    build.metadata.deletion_timestamp.is_none()
        && !holds(BuildCondition::Admitted)
        && !holds(BuildCondition::Archived)
}

/// The entry of a build.
fn entry(build: &FirmwareBuild) -> Entry {
    let priority = match build.spec.priority {
        BuildPriority::Low => Priority::Low,
        BuildPriority::Normal => Priority::Normal,
        BuildPriority::High => Priority::High,
    };
    let since = build.creation_timestamp().map_or(jiff::Timestamp::MAX, |time| time.0);
    let noted = build.status.as_ref().and_then(|status| status.sequence);
    let sequence = sequence(noted, build.resource_version().as_deref());
    let uid = build.uid().unwrap_or_default();
    Entry { name: build.name_any(), waiting: Waiting { uid, priority, since, sequence } }
}
