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

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::line::rank;

/// Class of a build in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// What people ask for.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

/// A build that could start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// uid of its FirmwareBuild.
    pub uid: String,
    /// Its class.
    pub priority: Priority,
    /// When it was created. Time in the queue counts from there, across restarts.
    pub since: Timestamp,
    /// Number in the order of creation, see [`crate::line::sequence`].
    pub sequence: u64,
}

/// Bounds of admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most builds that run at a time.
    pub running: usize,
    /// Waiting this long raises a build by one class, so that the lowest runs one day.
    pub ageing: SignedDuration,
}

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

/// The line and the places. The order is that of [`crate::line::rank`].
#[derive(Clone, Debug)]
pub struct Admission {
    limits: QueueLimits,
    paused: bool,
    waiting: BTreeMap<String, Waiting>,
    places: BTreeSet<String>,
}

impl Admission {
    /// Nobody waits, nothing runs, and nothing starts before [`Self::pause`] allows it.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, paused: true, waiting: BTreeMap::new(), places: BTreeSet::new() }
    }

    /// A build that can start in this pass and has no Job asks for a place. One that is admitted
    /// creates its Job in this pass, or leaves.
    pub fn ask(&mut self, build: Waiting, now: Timestamp) -> Turn {
        let uid = build.uid.clone();
        // A place that an earlier Job had went with that.
        self.places.remove(&uid);
        self.waiting.insert(uid.clone(), build);
        if self.called(now).contains(&uid) {
            self.runs(&uid);
            return Turn::Admitted;
        }
        if self.paused { Turn::Paused } else { Turn::Waits }
    }

    /// A build that could start, as far as is known, stands in line without asking: it is called
    /// like the others, and asks then.
    pub fn stand(&mut self, build: Waiting) {
        if !self.places.contains(&build.uid) {
            self.waiting.insert(build.uid.clone(), build);
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
        self.waiting.remove(uid).is_some() | self.places.remove(uid)
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
    pub fn called(&self, now: Timestamp) -> Vec<String> {
        let free = self.limits.running.saturating_sub(self.places.len());
        if self.paused || free == 0 {
            return Vec::new();
        }
        let mut line: Vec<&Waiting> = self.waiting.values().collect();
        line.sort_by_key(|build| rank(build, self.limits.ageing, now));
        line.into_iter().take(free).map(|build| build.uid.clone()).collect()
    }
}

#[cfg(test)]
#[path = "queue_laws.rs"]
mod laws;
