//! The queue of builds: a thin driver around [`asu_core::queue::admit`]. It lives in memory and is
//! filled from the objects when a process begins to lead; builds that have a place keep it until
//! they ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use asu_core::{
    line::AGEING,
    queue::{QueueLimits, Waiting, admit},
};
use jiff::Timestamp;

use crate::runtime::metrics::Metrics;

/// A build in the queue, with the name to wake it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the object.
    pub name: String,
    /// What the order depends on.
    pub waiting: Waiting,
}

/// Whether a build may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has a place.
    Admitted,
    /// It waits, and will be woken.
    Waits,
    /// It waits because no build is admitted at all.
    Paused,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<String, Entry>,
    running: BTreeSet<String>,
    paused: bool,
}

/// The queue of one leadership.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    limits: QueueLimits,
    metrics: Metrics,
}

impl Queue {
    /// An empty queue with room for `running` builds. It admits none before [`Self::pause`] says
    /// that the store has room.
    pub fn new(running: usize, metrics: Metrics) -> Self {
        let limits = QueueLimits { running, ageing: AGEING };
        let state = State { paused: true, ..State::default() };
        Self { state: Mutex::new(state), limits, metrics }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A build that had a place before this process began to lead.
    pub fn resume(&self, uid: &str) {
        self.lock().running.insert(uid.to_owned());
    }

    /// A build that waited before this process began to lead.
    pub fn remember(&self, entry: Entry) {
        self.lock().waiting.insert(entry.waiting.uid.clone(), entry);
    }

    /// Asks for a place. Gives the names of others that were admitted by the way.
    pub fn ask(&self, entry: Entry, now: Timestamp) -> (Turn, Vec<String>) {
        let mut state = self.lock();
        let uid = entry.waiting.uid.clone();
        if !state.running.contains(&uid) {
            state.waiting.insert(uid.clone(), entry);
        }
        let mut woken = self.advance(&mut state, now);
        woken.retain(|(other, _)| *other != uid);
        let turn = match () {
            () if state.running.contains(&uid) => Turn::Admitted,
            () if state.paused => Turn::Paused,
            () => Turn::Waits,
        };
        (turn, woken.into_iter().map(|(_, name)| name).collect())
    }

    /// A build ended or is gone. Gives the names of those whose turn it is.
    pub fn leave(&self, uid: &str, now: Timestamp) -> Vec<String> {
        let mut state = self.lock();
        let was_there = state.running.remove(uid) | state.waiting.remove(uid).is_some();
        if !was_there {
            return Vec::new();
        }
        self.advance(&mut state, now).into_iter().map(|(_, name)| name).collect()
    }

    /// Stops or resumes admission. Gives the names of those whose turn it is.
    pub fn pause(&self, paused: bool, now: Timestamp) -> Vec<String> {
        let mut state = self.lock();
        if state.paused != paused {
            tracing::warn!(paused, "admission of builds changes");
        }
        state.paused = paused;
        self.advance(&mut state, now).into_iter().map(|(_, name)| name).collect()
    }

    fn advance(&self, state: &mut State, now: Timestamp) -> Vec<(String, String)> {
        if state.running.len() >= self.limits.running {
            self.metrics.queue(state.waiting.len(), state.running.len(), state.paused, 0);
            return Vec::new();
        }
        let line: Vec<Waiting> = state.waiting.values().map(|it| it.waiting.clone()).collect();
        let started = admit(&line, &state.running, &self.limits, state.paused, now);
        let mut named = Vec::new();
        for uid in started {
            if let Some(entry) = state.waiting.remove(&uid) {
                named.push((uid.clone(), entry.name));
            }
            state.running.insert(uid);
        }
        let (waiting, running) = (state.waiting.len(), state.running.len());
        self.metrics.queue(waiting, running, state.paused, named.len());
        named
    }
}

#[cfg(test)]
mod tests {
    use asu_core::queue::Priority;

    use super::*;

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

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_place_that_becomes_free_wakes_the_oldest() {
        let queue = open(1);
        assert_eq!(queue.ask(entry("a", 0), NOW).0, Turn::Admitted);
        assert_eq!(queue.ask(entry("c", 2), NOW).0, Turn::Waits);
        assert_eq!(queue.ask(entry("b", 1), NOW).0, Turn::Waits);
        assert_eq!(queue.leave("a", NOW), ["n-b"]);
        assert_eq!(queue.ask(entry("b", 1), NOW).0, Turn::Admitted);
    }

    #[test]
    fn asking_again_takes_no_second_place() {
        let queue = open(2);
        for _ in 0..3 {
            assert_eq!(queue.ask(entry("a", 0), NOW).0, Turn::Admitted);
        }
        assert_eq!(queue.ask(entry("b", 0), NOW).0, Turn::Admitted);
        assert_eq!(queue.ask(entry("c", 0), NOW).0, Turn::Waits);
    }

    #[test]
    fn builds_that_ran_before_a_restart_count() {
        let queue = open(1);
        queue.resume("old");
        assert_eq!(queue.ask(entry("new", 0), NOW).0, Turn::Waits);
        assert_eq!(queue.ask(entry("old", 0), NOW).0, Turn::Admitted);
    }

    #[test]
    fn nothing_starts_before_the_first_look_at_the_store_which_wakes_what_waits() {
        let queue = Queue::new(1, Metrics::default());
        assert_eq!(queue.ask(entry("a", 0), NOW).0, Turn::Paused);
        assert_eq!(queue.pause(false, NOW), ["n-a"]);
    }

    #[test]
    fn leaving_without_a_place_wakes_nobody() {
        let queue = open(1);
        assert!(queue.leave("x", NOW).is_empty());
    }
}
