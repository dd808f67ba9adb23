//! The queue of builds: [`asu_core::queue::Admission`], which guarantees its rules, with a lock,
//! names and metrics. Called by the controller of builds and by retention. It is held in memory and
//! filled from the objects when a process begins to lead.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use asu_core::queue::Turn;
use asu_core::{queue::Admission, queue_order::Waiting};
use jiff::Timestamp;

use crate::runtime::metrics::Metrics;

/// A build in the queue, with the name of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the object, for its trigger.
    pub name: String,
    /// The fields that determine its position.
    pub waiting: Waiting,
}

#[derive(Debug)]
struct State {
    admission: Admission,
    /// Names of the waiting builds, by uid.
    names: HashMap<String, String>,
}

/// The queue of one leadership. Each change returns the names of the builds whose turn it is now;
/// the caller must trigger their reconciliation.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    metrics: Metrics,
}

impl Queue {
    /// An empty queue with `running` places. It admits no build before [`Self::pause`] is called
    /// with `false`.
    pub fn new(running: usize, metrics: Metrics) -> Self {
        let admission = Admission::new(running);
        Self { state: Mutex::new(State { admission, names: HashMap::new() }), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a build has an active Job: it takes a place.
    pub fn runs(&self, uid: &str, now: Timestamp) -> Vec<String> {
        let mut state = self.lock();
        state.admission.runs(uid);
        state.names.remove(uid);
        self.call(&state, now)
    }

    /// Adds a build that could start, when this process begins to lead.
    pub fn enqueue(&self, entry: Entry) {
        let mut state = self.lock();
        state.admission.enqueue(&entry.waiting);
        state.names.insert(entry.waiting.uid, entry.name);
    }

    /// Asks for a place for a build that can start and has no Job. Returns whether it got one.
    pub fn request_place(&self, entry: Entry, now: Timestamp) -> (Turn, Vec<String>) {
        let mut state = self.lock();
        let turn = state.admission.request_place(&entry.waiting, now);
        if turn == Turn::Admitted {
            state.names.remove(&entry.waiting.uid);
        } else {
            state.names.insert(entry.waiting.uid, entry.name);
        }
        let called = self.call(&state, now);
        (turn, called)
    }

    /// Removes a build that has ended, was deleted or cannot start now.
    pub fn remove(&self, uid: &str, now: Timestamp) -> Vec<String> {
        let mut state = self.lock();
        state.names.remove(uid);
        if state.admission.remove(uid) { self.call(&state, now) } else { Vec::new() }
    }

    /// Stops or resumes admission.
    pub fn pause(&self, paused: bool, now: Timestamp) -> Vec<String> {
        let mut state = self.lock();
        if state.admission.is_paused() != paused {
            tracing::warn!(paused, "admission was paused or resumed");
        }
        state.admission.pause(paused);
        self.call(&state, now)
    }

    fn call(&self, state: &State, now: Timestamp) -> Vec<String> {
        let admission = &state.admission;
        self.metrics.queue(admission.waiting(), admission.running(), admission.is_paused());
        let called = admission.next(now);
        called.into_iter().filter_map(|uid| state.names.get(uid).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use asu_core::queue_order::Priority;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn open(running: usize) -> Queue {
        let queue = Queue::new(running, Metrics::default());
        queue.pause(false, NOW);
        queue
    }

    fn entry(uid: &str, second: i64) -> Entry {
        let since = Timestamp::from_second(second).unwrap();
        let waiting = Waiting { uid: uid.into(), priority: Priority::Normal, since, sequence: 0 };
        Entry { name: format!("n-{uid}"), waiting }
    }

    #[test]
    fn a_free_place_goes_to_the_oldest_build() {
        let queue = open(1);
        assert_eq!(queue.request_place(entry("a", 0), NOW).0, Turn::Admitted);
        assert_eq!(queue.request_place(entry("c", 2), NOW).0, Turn::Waits);
        assert_eq!(queue.request_place(entry("b", 1), NOW).0, Turn::Waits);
        assert_eq!(queue.remove("a", NOW), ["n-b"]);
        // A build whose turn it is not does not overtake.
        assert_eq!(queue.request_place(entry("c", 2), NOW), (Turn::Waits, vec!["n-b".to_owned()]));
        assert_eq!(queue.request_place(entry("b", 1), NOW).0, Turn::Admitted);
    }

    #[test]
    fn a_build_that_cannot_start_lets_the_next_one_start() {
        let queue = open(1);
        queue.runs("a", NOW);
        queue.enqueue(entry("b", 1));
        queue.enqueue(entry("c", 2));
        assert_eq!(queue.remove("a", NOW), ["n-b"]);
        assert_eq!(queue.remove("b", NOW), ["n-c"]);
        assert_eq!(queue.request_place(entry("c", 2), NOW).0, Turn::Admitted);
        assert_eq!(queue.request_place(entry("b", 1), NOW).0, Turn::Waits);
    }

    #[test]
    fn builds_that_ran_before_a_restart_count() {
        let queue = open(1);
        queue.runs("old", NOW);
        assert_eq!(queue.request_place(entry("new", 0), NOW).0, Turn::Waits);
    }

    #[test]
    fn no_build_starts_before_the_store_was_measured_which_wakes_waiting_builds() {
        let queue = Queue::new(1, Metrics::default());
        assert_eq!(queue.request_place(entry("a", 0), NOW).0, Turn::Paused);
        assert_eq!(queue.pause(false, NOW), ["n-a"]);
    }

    #[test]
    fn leaving_the_queue_without_a_place_wakes_no_build() {
        let queue = open(1);
        queue.enqueue(entry("a", 0));
        assert!(queue.remove("x", NOW).is_empty());
    }
}
