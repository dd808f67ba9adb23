use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn build(priority: Priority, since: i64, sequence: u64) -> Waiting {
    Waiting {
        uid: format!("{:08x}", sequence.wrapping_mul(0x9e37)),
        priority,
        since: at(since),
        sequence,
    }
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)]
}

/// Builds in the order of creation, over some hours; several may be created in the same second.
fn crowds() -> impl Strategy<Value = Vec<Waiting>> {
    proptest::collection::vec((priorities(), prop_oneof![0_i64..2, 0_i64..2000]), 1..40).prop_map(
        |each| {
            let mut since = 0;
            let mut builds = Vec::new();
            for (number, (priority, pause)) in (1_u64..).zip(each) {
                since += pause;
                builds.push(build(priority, since, number * 3));
            }
            builds
        },
    )
}

fn order_of(builds: &[Waiting]) -> QueueOrder {
    let mut order = QueueOrder::default();
    for build in builds {
        order.insert(build);
    }
    order
}

/// The expected sort key of waiting builds.
fn rank(build: &Waiting, now: Timestamp) -> (Reverse<i64>, u64, Timestamp, &str) {
    let class = class(build.priority, build.since, now);
    (Reverse(class), build.sequence, build.since, &build.uid)
}

#[test]
fn the_order_of_creation_is_the_recorded_sequence_or_the_resource_version() {
    assert_eq!(sequence(Some(7), Some("9")), 7);
    assert_eq!(sequence(None, Some("9")), 9);
    assert_eq!(sequence(None, Some("x")), 0);
    assert_eq!(sequence(Some(-1), None), 0);
}

#[test]
fn a_build_is_beyond_the_limit_if_more_older_builds_wait() {
    assert!(!is_beyond(200, 200));
    assert!(is_beyond(201, 200));
}

#[test]
fn a_write_to_an_object_does_not_change_its_position() {
    let [first, second] = [1, 2].map(|sequence| build(Priority::Normal, 0, sequence));
    let mut order = order_of(&[first.clone(), second.clone()]);
    let written = Waiting { sequence: 9, ..first.clone() };
    order.insert(&written);
    assert_eq!(order.len(), 2);
    assert_eq!(order.sequence(&written), 1);
    assert_eq!([&written, &second].map(|build| order.before(build, at(0))), [0, 1]);
    assert_eq!([&written, &second].map(|build| order.earlier(build)), [0, 1]);
}

proptest! {
    #[test]
    fn the_position_of_a_build_is_its_index_in_the_order_of_admission(
        builds in crowds(), now in 0_i64..40_000,
    ) {
        let (order, now) = (order_of(&builds), at(now));
        let mut sorted: Vec<_> = builds.iter().collect();
        sorted.sort_by_key(|build| rank(build, now));
        for (place, build) in sorted.iter().enumerate() {
            prop_assert_eq!(order.before(build, now), place);
        }
    }

    #[test]
    fn the_first_builds_are_those_with_the_lowest_rank(
        builds in crowds(), count in 0_usize..50, now in 0_i64..40_000,
    ) {
        let (order, now) = (order_of(&builds), at(now));
        let mut sorted: Vec<_> = builds.iter().collect();
        sorted.sort_by_key(|build| rank(build, now));
        let expected: Vec<_> = sorted.into_iter().take(count).map(|build| &*build.uid).collect();
        prop_assert_eq!(order.first(count, now), expected);
    }

    #[test]
    fn each_build_is_called_once_for_any_clock(
        builds in crowds(), clock in proptest::collection::vec(-40_000_i64..40_000, 40),
        now in 0_i64..40_000,
    ) {
        let skewed = |(build, skew): (&Waiting, &i64)| Waiting { since: at(*skew), ..build.clone() };
        let skewed: Vec<_> = builds.iter().zip(&clock).map(skewed).collect();
        let order = order_of(&skewed);
        let mut called = order.first(usize::MAX, at(now));
        called.sort_unstable();
        let mut all: Vec<_> = skewed.iter().map(|build| &*build.uid).collect();
        all.sort_unstable();
        prop_assert_eq!(called, all);
    }

    #[test]
    fn positions_are_unique_and_not_raised_by_younger_builds_of_the_same_class(
        builds in crowds(), now in 0_i64..40_000,
    ) {
        let now = at(now);
        let (last, first) = builds.split_last().unwrap();
        let (mut order, mut seen) = (order_of(first), std::collections::BTreeSet::new());
        let places: Vec<_> = first.iter().map(|build| order.before(build, now)).collect();
        prop_assert!(places.iter().all(|place| seen.insert(*place)));
        order.insert(last);
        let mine = rank(last, now).0;
        for (build, before) in first.iter().zip(places) {
            if rank(build, now).0 <= mine {
                prop_assert_eq!(order.before(build, now), before);
            }
        }
    }

    #[test]
    fn removing_a_build_moves_later_builds_up(
        builds in crowds(), leaver in any::<prop::sample::Index>(), now in 0_i64..40_000,
    ) {
        let now = at(now);
        let leaver = leaver.get(&builds);
        let mut order = order_of(&builds);
        let before = |order: &QueueOrder, build| order.before(build, now);
        let then: Vec<_> = builds.iter().map(|build| before(&order, build)).collect();
        prop_assert!(order.remove(&leaver.uid));
        prop_assert!(!order.remove(&leaver.uid));
        prop_assert_eq!(order.len(), builds.len() - 1);
        for (build, then) in builds.iter().zip(then) {
            let behind = rank(build, now) > rank(leaver, now);
            prop_assert_eq!(before(&order, build), then - usize::from(behind));
        }
    }

    #[test]
    fn inserting_a_build_again_replaces_it(
        builds in crowds(), priority in priorities(),
    ) {
        let mut order = order_of(&builds);
        let changed: Vec<_> =
            builds.iter().map(|build| Waiting { priority, ..build.clone() }).collect();
        for build in &changed {
            order.insert(build);
        }
        prop_assert_eq!(order.len(), builds.len());
        for (place, build) in changed.iter().enumerate() {
            prop_assert_eq!(order.before(build, at(0)), place);
            prop_assert_eq!(order.earlier(build), place);
        }
    }
}
