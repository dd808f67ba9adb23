//! The queue of builds and their places: decides which builds may start. Used by the operator, which
//! holds it in memory. A build has no Job before it is admitted, so a waiting build costs only its
//! FirmwareBuild.
//!
//! [`Admission`] maintains three invariants after every event:
//!
//! 1. **No place without a Job.** A build has a place only while it has a Job or one of its pods may
//!    still run, or while it creates its Job in the reconciliation in which it asked for the place. In
//!    every other case its place becomes free at once.
//! 2. **No idle place.** While a build that can start is waiting, no place is free, unless admission is
//!    paused: the first builds in the queue are reconciled until all free places are taken.
//! 3. **No build blocks others.** Only builds that can start are in the queue. One that cannot leaves
//!    the queue, and returns later to the position of its age.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::queue_order::{QueueOrder, Waiting};

/// Answer to a build that asks for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has a place. Its Job must be created in this reconciliation.
    Admitted,
    /// It waits in the queue, and [`Admission::next`] will return it later.
    Waits,
    /// It waits in the queue while admission is paused.
    Paused,
}

/// The queue and the places.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Number of places: the maximum number of builds with a Job.
    limit: usize,
    paused: bool,
    waiting: QueueOrder,
    places: BTreeSet<String>,
}

impl Admission {
    /// An empty queue with `limit` places. It is paused: nothing is admitted before [`Self::pause`]
    /// resumes admission.
    pub fn new(limit: usize) -> Self {
        Self { limit, paused: true, waiting: QueueOrder::default(), places: BTreeSet::new() }
    }

    /// Asks for a place for a build that can start now and has no Job. If it is admitted, the caller
    /// creates its Job in this reconciliation, or calls [`Self::remove`].
    pub fn request_place(&mut self, build: &Waiting, now: Timestamp) -> Turn {
        // The place of an earlier Job of this build is free again.
        self.places.remove(&build.uid);
        self.waiting.insert(build);
        if self.next(now).contains(&&*build.uid) {
            self.runs(&build.uid);
            return Turn::Admitted;
        }
        if self.paused { Turn::Paused } else { Turn::Waits }
    }

    /// Puts a build that can probably start into the queue, without asking for a place. It asks when
    /// [`Self::next`] returns it.
    pub fn enqueue(&mut self, build: &Waiting) {
        if !self.places.contains(&build.uid) {
            self.waiting.insert(build);
        }
    }

    /// Records that a build has a Job. It gets a place even if the limit is exceeded.
    pub fn runs(&mut self, uid: &str) {
        self.waiting.remove(uid);
        if !self.places.contains(uid) {
            self.places.insert(uid.to_owned());
        }
    }

    /// Removes a build that ended, was deleted, or cannot start now. Returns whether it waited or had
    /// a place.
    pub fn remove(&mut self, uid: &str) -> bool {
        self.waiting.remove(uid) | self.places.remove(uid)
    }

    /// Pauses (`true`) or resumes (`false`) admission.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether admission is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Number of builds in the queue.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Number of taken places.
    pub fn running(&self) -> usize {
        self.places.len()
    }

    /// uids of the first builds in the queue, as many as there are free places, in order. The caller
    /// reconciles each of them, so that it calls [`Self::request_place`] or [`Self::remove`]; then this may return
    /// others.
    pub fn next(&self, now: Timestamp) -> Vec<&str> {
        let free = self.limit.saturating_sub(self.places.len());
        if self.paused { Vec::new() } else { self.waiting.first(free, now) }
    }
}

#[cfg(test)]
#[path = "queue_laws.rs"]
mod laws;
