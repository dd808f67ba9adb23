//! Which waiting builds may start. The operator keeps an explicit queue: a build has no Job before
//! it is admitted, so that waiting costs one small object.

use std::collections::BTreeSet;

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

/// The uids that start now, in the order of [`crate::line::rank`]. What runs already takes its place
/// and is never started again.
pub fn admit(
    waiting: &[Waiting],
    running: &BTreeSet<String>,
    limits: &QueueLimits,
    paused: bool,
    now: Timestamp,
) -> Vec<String> {
    let free = limits.running.saturating_sub(running.len());
    if paused || free == 0 {
        return Vec::new();
    }
    let mut line: Vec<&Waiting> =
        waiting.iter().filter(|build| !running.contains(&build.uid)).collect();
    line.sort_by_key(|build| rank(build, limits.ageing, now));
    line.dedup_by_key(|build| &build.uid);
    line.into_iter().take(free).map(|build| build.uid.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { running: 3, ageing: SignedDuration::from_mins(30) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn build(uid: u16, priority: Priority, since: i64) -> Waiting {
        Waiting { uid: format!("{uid:05}"), priority, since: at(since), sequence: 0 }
    }

    fn priorities() -> impl Strategy<Value = Priority> {
        prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)]
    }

    fn lines() -> impl Strategy<Value = Vec<Waiting>> {
        proptest::collection::btree_map(any::<u16>(), (priorities(), 0_i64..10_000), 0..30)
            .prop_map(|map| map.into_iter().map(|(uid, (p, t))| build(uid, p, t)).collect())
    }

    #[test]
    fn class_comes_before_age() {
        let line = [build(1, Priority::Low, 0), build(2, Priority::High, 9)];
        let one = QueueLimits { running: 1, ..LIMITS };
        assert_eq!(admit(&line, &BTreeSet::new(), &one, false, at(10)), ["00002"]);
    }

    #[test]
    fn the_lowest_class_runs_once_it_has_waited_long_enough() {
        let one = QueueLimits { running: 1, ..LIMITS };
        let now = at(2 * 30 * 60);
        let line = [build(1, Priority::Low, 0), build(2, Priority::High, 60)];
        assert_eq!(admit(&line, &BTreeSet::new(), &one, false, now), ["00001"]);
    }

    #[test]
    fn nothing_starts_while_paused() {
        let line = [build(1, Priority::High, 0)];
        assert!(admit(&line, &BTreeSet::new(), &LIMITS, true, at(1)).is_empty());
    }

    proptest! {
        #[test]
        fn the_limit_is_never_exceeded(
            line in lines(), busy in proptest::collection::btree_set("[0-9]{5}", 0..6),
            limit in 0_usize..6, now in 0_i64..100_000,
        ) {
            let limits = QueueLimits { running: limit, ..LIMITS };
            let started = admit(&line, &busy, &limits, false, at(now));
            prop_assert!(started.is_empty() || started.len() + busy.len() <= limit);
            prop_assert!(started.iter().all(|uid| !busy.contains(uid)));
            let distinct: BTreeSet<_> = started.iter().collect();
            prop_assert_eq!(distinct.len(), started.len());
        }

        #[test]
        fn free_places_do_not_stay_empty(line in lines(), limit in 0_usize..6) {
            let limits = QueueLimits { running: limit, ..LIMITS };
            let started = admit(&line, &BTreeSet::new(), &limits, false, at(0));
            prop_assert_eq!(started.len(), limit.min(line.len()));
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(line in lines(), now in 0_i64..100_000) {
            let reversed: Vec<_> = line.iter().rev().cloned().collect();
            let none = BTreeSet::new();
            prop_assert_eq!(
                admit(&line, &none, &LIMITS, false, at(now)),
                admit(&reversed, &none, &LIMITS, false, at(now))
            );
        }

        #[test]
        fn whoever_waits_longest_is_first_after_two_ageings(
            line in lines(), priority in priorities(),
        ) {
            let one = QueueLimits { running: 1, ..LIMITS };
            let mut line: Vec<_> =
                line.into_iter().filter(|build| build.since > at(0)).collect();
            line.push(build(0, priority, 0));
            let now = at(2 * 30 * 60);
            let first = admit(&line, &BTreeSet::new(), &one, false, now);
            prop_assert_eq!(first, vec!["00000".to_owned()]);
        }
    }
}
