//! Connects builds with the queue: fills it when leading begins, removes builds from it, and counts
//! the waiting builds. Called by the controller, the watches and `run.rs`.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use asu_core::queue_order::{QueueOrder, Waiting, sequence};
use asu_crds::{BuildCondition, FirmwareBuild, condition, is_true, labels};
use kube::{ResourceExt, runtime::reflector::ObjectRef};

use super::{
    dereference::{cache_fact, pods},
    facts::CacheFact,
    status::ATTEMPT_FAILED,
};
use crate::{
    context::Context,
    pods::verdict::{JobState, is_over, is_suspended, job_state},
    queue::Entry,
    watches::Change,
};

/// Fills the queue when a process begins to lead. A build has a place if one of its Jobs is active
/// or one of its pods may still run, regardless of its status; builds that could start are queued
/// by age. The pass over each build that follows corrects what is wrong here.
pub fn seed(context: &Context) {
    let now = context.now();
    let mut busy = HashSet::new();
    for job in context.stores.jobs.state() {
        let under_way = job_state(&job) == JobState::Active && !is_suspended(&job);
        if under_way && job.labels().contains_key(labels::BUILD) {
            busy.extend(job.owner_references().iter().map(|owner| owner.uid.clone()));
        }
    }
    let mut alive = HashSet::new();
    for pod in context.stores.pods.state() {
        alive.extend(pod.labels().get(labels::BUILD).filter(|_| !is_over(&pod, now)).cloned());
    }
    for build in context.stores.builds.state() {
        let Some(uid) = build.uid() else { continue };
        let lives = || pods(context, &build).iter().any(|pod| !is_over(pod, now));
        if has_verdict(&build) {
            continue;
        }
        if busy.contains(&uid) || (alive.contains(&build.name_any()) && lives()) {
            wake(context, &context.queue.runs(&uid, now));
        } else if could_start(context, &build) {
            context.queue.enqueue(context.triggers.pending.entry(&build));
        }
        // The build may have been deleted since the list was made; no further watch event would
        // report that.
        let reference = ObjectRef::from_obj(&*build);
        if context.stores.builds.get(&reference).is_none_or(|found| found.uid() != build.uid()) {
            wake(context, &context.queue.remove(&uid, now));
        }
    }
}

fn has_verdict(build: &FirmwareBuild) -> bool {
    let Some(status) = &build.status else { return false };
    let archived = is_true(&status.conditions, BuildCondition::Archived.as_str());
    let verdict = condition(&status.conditions, BuildCondition::Succeeded.as_str());
    archived || verdict.is_some_and(|verdict| verdict.status != "Unknown")
}

/// Whether a build that has no Job could start, as far as the watch caches show.
fn could_start(context: &Context, build: &FirmwareBuild) -> bool {
    let Some(status) = &build.status else { return false };
    let Some(resolved) = &status.resolved else { return false };
    let ready = matches!(cache_fact(context, &resolved.cache_name), CacheFact::Ready { .. });
    let pauses = status.reason.as_deref() == Some(ATTEMPT_FAILED);
    ready && !pauses && build.metadata.deletion_timestamp.is_none()
}

/// Triggers reconciliations of the builds that the queue returned.
pub fn wake(context: &Context, called: &[String]) {
    for name in called {
        context.triggers.build(name);
    }
}

/// Forgets a deleted build, and wakes the builds whose turn it is now.
pub fn forget(context: &Context, uid: &str) {
    context.followers.stop(uid);
    context.recent_builds.forget(uid);
    context.catalogs.looks().forget(uid);
    wake(context, &context.queue.remove(uid, context.now()));
}

/// The waiting builds, in the order of the queue. Fed by the watch, before its events reach the
/// controller.
#[derive(Debug, Default)]
pub struct Pending(Mutex<QueueOrder>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, QueueOrder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a change that the watch reported.
    pub fn observe(&self, change: &Change<'_, FirmwareBuild>) {
        match change {
            Change::Present(build) if waits(build) => self.lock().insert(&entry(build).waiting),
            Change::Present(build) | Change::Gone(build) => {
                self.lock().remove(&build.uid().unwrap_or_default());
            }
        }
    }

    /// Number of waiting builds that are older than this one.
    pub fn earlier(&self, build: &FirmwareBuild) -> usize {
        self.lock().earlier(&entry(build).waiting)
    }

    /// The queue entry of a build. If the build already waits, its recorded sequence is kept, so
    /// that a write to the object does not change its age.
    pub fn entry(&self, build: &FirmwareBuild) -> Entry {
        let mut entry = entry(build);
        entry.waiting.sequence = self.lock().sequence(&entry.waiting);
        entry
    }
}

/// Whether a build is waiting: neither admitted, archived nor being deleted.
fn waits(build: &FirmwareBuild) -> bool {
    let status = build.status.as_ref();
    let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
    let holds = |type_: BuildCondition| is_true(conditions, type_.as_str());
    build.metadata.deletion_timestamp.is_none()
        && !holds(BuildCondition::Admitted)
        && !holds(BuildCondition::Archived)
}

/// The queue entry that the object alone gives.
fn entry(build: &FirmwareBuild) -> Entry {
    let priority = build.spec.priority.into();
    let since = build.creation_timestamp().map_or(jiff::Timestamp::MAX, |time| time.0);
    let noted = build.status.as_ref().and_then(|status| status.sequence);
    let sequence = sequence(noted, build.resource_version().as_deref());
    let uid = build.uid().unwrap_or_default();
    Entry { name: build.name_any(), waiting: Waiting { uid, priority, since, sequence } }
}
