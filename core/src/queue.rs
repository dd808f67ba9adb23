//! Which builds may start. The operator keeps an explicit queue: a build has no Job before it is
//! admitted, so that waiting costs one small object.
//!
//! Three laws hold after every event, and [`Admission`] is their only keeper:
//!
//! 1. **No place without a Job.** A place belongs to a build of which a Job is under way or a pod may
//!    still run, or that creates its Job in the pass in which it asked. Whatever becomes of it
//!    otherwise gives the place away at once.
//! 2. **No idle place.** While a build that can start waits, no place is free, unless admission is
//!    paused: whoever is first in line is called until each free place is taken.
//! 3. **Nobody blocks.** Only builds that can start stand in line. One that cannot leaves it, and comes
//!    back where its age puts it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::queue_order::{QueueOrder, Waiting};

/// Whether a build may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has a place: its Job is to be created in this very pass.
    Admitted,
    /// It stands in line, and will be called.
    Waits,
    /// It stands in line while no build is admitted at all.
    Paused,
}

/// The queue and the places.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Most builds that run at a time.
    limit: usize,
    paused: bool,
    waiting: QueueOrder,
    places: BTreeSet<String>,
}

impl Admission {
    /// With so many places. Nobody waits, nothing runs, and nothing starts before [`Self::pause`]
    /// allows it.
    pub fn new(limit: usize) -> Self {
        Self { limit, paused: true, waiting: QueueOrder::default(), places: BTreeSet::new() }
    }

    /// A build that can start in this pass and has no Job asks for a place. One that is admitted
    /// creates its Job in this pass, or leaves.
    pub fn ask(&mut self, build: &Waiting, now: Timestamp) -> Turn {
        // A place that an earlier Job had went with that.
        self.places.remove(&build.uid);
        self.waiting.insert(build);
        if self.called(now).contains(&&*build.uid) {
            self.runs(&build.uid);
            return Turn::Admitted;
        }
        if self.paused { Turn::Paused } else { Turn::Waits }
    }

    /// A build that could start, as far as is known, stands in line without asking: it is called
    /// like the others, and asks then.
    pub fn stand(&mut self, build: &Waiting) {
        if !self.places.contains(&build.uid) {
            self.waiting.insert(build);
        }
    }

    /// A Job of a build is under way: it has a place, even above the limit.
    pub fn runs(&mut self, uid: &str) {
        self.waiting.remove(uid);
        if !self.places.contains(uid) {
            self.places.insert(uid.to_owned());
        }
    }

    /// A build ended, is gone, or cannot start now. Says whether it was there.
    pub fn leave(&mut self, uid: &str) -> bool {
        self.waiting.remove(uid) | self.places.remove(uid)
    }

    /// Stops or resumes admission.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether nothing is admitted.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Number of builds in line.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Number of places that are taken.
    pub fn running(&self) -> usize {
        self.places.len()
    }

    /// Those for whom places are free, first in line first. Each of them asks, or leaves, and then
    /// others are called.
    pub fn called(&self, now: Timestamp) -> Vec<&str> {
        let free = self.limit.saturating_sub(self.places.len());
        if self.paused { Vec::new() } else { self.waiting.first(free, now) }
    }
}

#[cfg(test)]
#[path = "queue_laws.rs"]
mod laws;
