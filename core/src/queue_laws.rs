//! Property tests of the queue's invariants, with random sequences of events.

use proptest::prelude::*;

use super::*;
use crate::queue_order::Priority;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn build(uid: &str, priority: Priority, since: i64) -> Waiting {
    Waiting { uid: uid.to_owned(), priority, since: at(since), sequence: 0 }
}

/// A queue with this number of places that is not paused.
fn queue(running: usize) -> Admission {
    let mut queue = Admission::new(running);
    queue.pause(false);
    queue
}

/// uids that `called` returns when these builds are in the queue.
fn called(running: usize, builds: &[Waiting], now: i64) -> Vec<String> {
    let mut queue = queue(running);
    for build in builds {
        queue.enqueue(build);
    }
    queue.next(at(now)).into_iter().map(str::to_owned).collect()
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)]
}

fn crowds() -> impl Strategy<Value = Vec<Waiting>> {
    proptest::collection::btree_map("[0-9]{5}", (priorities(), 0_i64..10_000), 0..30)
        .prop_map(|map| map.into_iter().map(|(uid, (p, t))| build(&uid, p, t)).collect())
}

#[test]
fn class_comes_before_age() {
    let crowd = [build("1", Priority::Low, 0), build("2", Priority::High, 9)];
    assert_eq!(called(1, &crowd, 10), ["2"]);
}

#[test]
fn the_lowest_class_runs_once_it_has_waited_long_enough() {
    let crowd = [build("1", Priority::Low, 0), build("2", Priority::High, 60)];
    assert_eq!(called(1, &crowd, 2 * 30 * 60), ["1"]);
}

#[test]
fn nothing_starts_while_paused() {
    let mut queue = queue(1);
    queue.pause(true);
    assert_eq!(queue.request_place(&build("1", Priority::High, 0), at(1)), Turn::Paused);
    assert!(queue.next(at(1)).is_empty());
    queue.pause(false);
    assert_eq!(queue.next(at(1)), ["1"]);
}

#[test]
fn a_build_returns_to_the_queue_by_its_age_after_an_attempt() {
    let mut queue = queue(1);
    let young = build("young", Priority::Normal, 9);
    assert_eq!(queue.request_place(&young, at(10)), Turn::Admitted);
    queue.enqueue(&build("old", Priority::Normal, 0));
    // Its Job has ended, and it asks for a place again.
    assert_eq!(queue.request_place(&young, at(10)), Turn::Waits);
    assert_eq!(queue.next(at(10)), ["old"]);
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(crowd in crowds(), now in 0_i64..100_000) {
        let reversed: Vec<_> = crowd.iter().rev().cloned().collect();
        prop_assert_eq!(called(3, &crowd, now), called(3, &reversed, now));
    }

    #[test]
    fn the_oldest_build_is_first_after_two_raises(
        crowd in crowds(), priority in priorities(),
    ) {
        let mut crowd: Vec<_> = crowd.into_iter().filter(|build| build.since > at(0)).collect();
        crowd.push(build("first", priority, 0));
        prop_assert_eq!(called(1, &crowd, 2 * 30 * 60), vec!["first".to_owned()]);
    }
}

/// Number of builds in the model below.
const BUILDS: usize = 6;

/// An event of the model. The numbers are builds.
#[derive(Clone, Debug)]
enum Event {
    /// It can start from now on, and is reconciled.
    CanStart(usize),
    /// It cannot start any more (its cache was deleted, it waits for its next attempt), and is
    /// reconciled.
    CannotStart(usize),
    /// It cannot start any more, but is not reconciled (its Secret was deleted).
    CannotStartUnseen(usize),
    /// From now on the API server refuses its Job (`true`), or accepts it again.
    Refused(usize, bool),
    /// Its Job ended, or was deleted or suspended by hand.
    JobEnds(usize),
    /// Its Job was resumed by hand.
    JobAppears(usize),
    /// It is reconciled for any other reason.
    Woken(usize),
    /// It was deleted or cancelled.
    Gone(usize),
    /// The artifact store is too full (`true`), or has space again.
    Pause(bool),
    /// Another operator becomes the leader and reads all objects.
    OtherLeader,
}

fn events() -> impl Strategy<Value = Event> {
    let one = 0..BUILDS;
    prop_oneof![
        4 => one.clone().prop_map(Event::CanStart),
        2 => one.clone().prop_map(Event::CannotStart),
        1 => one.clone().prop_map(Event::CannotStartUnseen),
        1 => (one.clone(), any::<bool>()).prop_map(|(at, refused)| Event::Refused(at, refused)),
        3 => one.clone().prop_map(Event::JobEnds),
        1 => one.clone().prop_map(Event::JobAppears),
        2 => one.clone().prop_map(Event::Woken),
        1 => one.prop_map(Event::Gone),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => Just(Event::OtherLeader),
    ]
}

/// The model: builds, and a queue that is updated as the operator updates it.
struct Cluster {
    queue: Admission,
    paused: bool,
    can_start: BTreeSet<usize>,
    refused: BTreeSet<usize>,
    jobs: BTreeSet<usize>,
}

impl Cluster {
    fn new(running: usize) -> Self {
        let empty = BTreeSet::new;
        Self {
            queue: queue(running),
            paused: false,
            can_start: empty(),
            refused: empty(),
            jobs: empty(),
        }
    }

    fn entry(at: usize) -> Waiting {
        build(&at.to_string(), Priority::Normal, i64::try_from(at).unwrap())
    }

    /// One reconciliation of a build, as in the operator's controller.
    fn pass(&mut self, of: usize) {
        let uid = of.to_string();
        if self.jobs.contains(&of) {
            self.queue.runs(&uid);
        } else if !self.can_start.contains(&of) {
            self.queue.remove(&uid);
        } else if self.queue.request_place(&Self::entry(of), at(0)) == Turn::Admitted {
            if self.refused.contains(&of) {
                self.queue.remove(&uid);
            } else {
                self.jobs.insert(of);
            }
        }
    }

    /// Reconciles the builds that the queue calls, until it calls none.
    fn settle(&mut self) {
        for _ in 0..=2 * BUILDS {
            let called = self.queue.next(at(0));
            if called.is_empty() {
                return;
            }
            let called: Vec<_> = called.into_iter().map(|uid| uid.parse().unwrap()).collect();
            for uid in called {
                self.pass(uid);
            }
        }
        panic!("builds are called for ever: {:?}", self.queue);
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::CanStart(of) => {
                self.can_start.insert(of);
                self.pass(of);
            }
            Event::CannotStart(of) => {
                self.can_start.remove(&of);
                self.pass(of);
            }
            Event::CannotStartUnseen(of) => {
                self.can_start.remove(&of);
            }
            Event::Refused(of, true) => {
                self.refused.insert(of);
            }
            // The operator retries after a pause.
            Event::Refused(of, false) => {
                self.refused.remove(&of);
                self.pass(of);
            }
            Event::JobEnds(of) => {
                self.jobs.remove(&of);
                self.pass(of);
            }
            Event::JobAppears(of) => {
                self.jobs.insert(of);
                self.pass(of);
            }
            Event::Woken(of) => self.pass(of),
            Event::Gone(of) => {
                self.can_start.remove(&of);
                self.jobs.remove(&of);
                self.queue.remove(&of.to_string());
            }
            Event::Pause(paused) => {
                self.paused = paused;
                self.queue.pause(paused);
            }
            Event::OtherLeader => self.lead(),
        }
        self.settle();
    }

    /// What a new leader does: it fills the queue, and then reconciles all builds.
    fn lead(&mut self) {
        self.queue = Admission::new(self.queue.limit);
        self.queue.pause(self.paused);
        for of in 0..BUILDS {
            if self.jobs.contains(&of) {
                self.queue.runs(&of.to_string());
            } else if self.can_start.contains(&of) {
                self.queue.enqueue(&Self::entry(of));
            }
        }
        (0..BUILDS).rev().for_each(|of| self.pass(of));
    }

    fn places(&self) -> BTreeSet<usize> {
        self.queue.places.iter().map(|uid| uid.parse().unwrap()).collect()
    }
}

proptest! {
    #[test]
    fn places_and_jobs_match(
        limit in 0_usize..4, events in proptest::collection::vec(events(), 0..60),
    ) {
        let mut cluster = Cluster::new(limit);
        for event in &events {
            cluster.happen(event);
            prop_assert_eq!(cluster.places(), cluster.jobs.clone(), "after {:?}", event);
        }
    }

    #[test]
    fn no_place_is_free_while_a_build_can_start(
        limit in 1_usize..4, events in proptest::collection::vec(events(), 0..60),
    ) {
        let mut cluster = Cluster::new(limit);
        for event in &events {
            cluster.happen(event);
            let waits = |of: &&usize| !cluster.jobs.contains(of) && !cluster.refused.contains(of);
            let waiting = cluster.can_start.iter().find(waits);
            let idle = !cluster.paused && cluster.jobs.len() < limit;
            prop_assert!(!idle || waiting.is_none(), "{:?} waits after {:?}", waiting, event);
        }
    }

    #[test]
    fn admission_never_exceeds_the_limit(
        limit in 0_usize..4, events in proptest::collection::vec(events(), 0..60),
    ) {
        let mut cluster = Cluster::new(limit);
        for event in &events {
            let before = cluster.jobs.clone();
            cluster.happen(event);
            let begun = cluster.jobs.difference(&before).count();
            // A Job that was resumed by hand was not admitted.
            let by_hand = usize::from(matches!(event, Event::JobAppears(_)));
            prop_assert!(begun <= by_hand || cluster.jobs.len() <= limit, "after {:?}", event);
        }
    }
}
