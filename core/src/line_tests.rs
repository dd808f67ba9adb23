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

/// Builds as they are created: dozens in one second, over some hours.
fn lines() -> impl Strategy<Value = Vec<Waiting>> {
    proptest::collection::vec((priorities(), prop_oneof![0_i64..2, 0_i64..2000]), 1..40).prop_map(
        |each| {
            let mut since = 0;
            let mut line = Vec::new();
            for (number, (priority, pause)) in (1_u64..).zip(each) {
                since += pause;
                line.push(build(priority, since, number * 3));
            }
            line
        },
    )
}

fn in_line(builds: &[Waiting]) -> Line {
    let mut line = Line::default();
    for build in builds {
        line.insert(build);
    }
    line
}

#[test]
fn the_order_of_creation_is_what_was_noted_and_else_the_version() {
    assert_eq!(sequence(Some(7), Some("9")), 7);
    assert_eq!(sequence(None, Some("9")), 9);
    assert_eq!(sequence(None, Some("x")), 0);
    assert_eq!(sequence(Some(-1), None), 0);
}

#[test]
fn as_many_wait_as_may_and_the_next_comes_too_late() {
    assert!(!is_beyond(200, 200));
    assert!(is_beyond(201, 200));
}

#[test]
fn whoever_writes_an_object_does_not_put_it_at_the_end_of_the_line() {
    let [first, second] = [1, 2].map(|sequence| build(Priority::Normal, 0, sequence));
    let mut line = in_line(&[first.clone(), second.clone()]);
    let written = Waiting { sequence: 9, ..first.clone() };
    line.insert(&written);
    assert_eq!(line.len(), 2);
    assert_eq!(line.sequence(&written), 1);
    assert_eq!([&written, &second].map(|build| line.before(build, AGEING, at(0))), [0, 1]);
    assert_eq!([&written, &second].map(|build| line.earlier(build)), [0, 1]);
}

proptest! {
    #[test]
    fn the_place_of_a_build_is_its_index_in_the_order_of_admission(
        builds in lines(), now in 0_i64..40_000,
    ) {
        let (line, now) = (in_line(&builds), at(now));
        let mut sorted: Vec<_> = builds.iter().collect();
        sorted.sort_by_key(|build| rank(build, AGEING, now));
        for (place, build) in sorted.iter().enumerate() {
            prop_assert_eq!(line.before(build, AGEING, now), place);
        }
    }

    #[test]
    fn places_are_distinct_and_no_later_build_of_the_same_class_raises_one(
        builds in lines(), now in 0_i64..40_000,
    ) {
        let now = at(now);
        let (last, first) = builds.split_last().unwrap();
        let (mut line, mut seen) = (in_line(first), std::collections::BTreeSet::new());
        let places: Vec<_> = first.iter().map(|it| line.before(it, AGEING, now)).collect();
        prop_assert!(places.iter().all(|place| seen.insert(*place)));
        line.insert(last);
        let mine = rank(last, AGEING, now).0;
        for (build, before) in first.iter().zip(places) {
            if rank(build, AGEING, now).0 <= mine {
                prop_assert_eq!(line.before(build, AGEING, now), before);
            }
        }
    }

    #[test]
    fn whoever_leaves_lets_those_behind_move_up(
        builds in lines(), leaver in any::<prop::sample::Index>(), now in 0_i64..40_000,
    ) {
        let now = at(now);
        let leaver = leaver.get(&builds);
        let mut line = in_line(&builds);
        let before = |line: &Line, build| line.before(build, AGEING, now);
        let then: Vec<_> = builds.iter().map(|build| before(&line, build)).collect();
        prop_assert!(line.remove(&leaver.uid));
        prop_assert!(!line.remove(&leaver.uid));
        prop_assert_eq!(line.len(), builds.len() - 1);
        for (build, then) in builds.iter().zip(then) {
            let behind = rank(build, AGEING, now) > rank(leaver, AGEING, now);
            prop_assert_eq!(before(&line, build), then - usize::from(behind));
        }
    }

    #[test]
    fn a_build_that_is_put_in_line_again_is_there_once_as_it_is_by_now(
        builds in lines(), priority in priorities(),
    ) {
        let mut line = in_line(&builds);
        let changed: Vec<_> =
            builds.iter().map(|it| Waiting { priority, ..it.clone() }).collect();
        for build in &changed {
            line.insert(build);
        }
        prop_assert_eq!(line.len(), builds.len());
        for (place, build) in changed.iter().enumerate() {
            prop_assert_eq!(line.before(build, AGEING, at(0)), place);
            prop_assert_eq!(line.earlier(build), place);
        }
    }
}
