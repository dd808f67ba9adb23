use proptest::prelude::*;

use super::*;

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

fn key(n: u8) -> Sha256Hex {
    Sha256Hex::of(&[n])
}

fn build(n: u8, fresh: i64, keep: i64, served: Option<i64>) -> KeptBuild {
    KeptBuild {
        uid: format!("{n}-{fresh}-{keep}"),
        build_key: Some(key(n)),
        finished_at: at(0),
        fresh_until: at(fresh),
        keep_until: at(keep),
        last_served: served.map(at),
        has_log: true,
    }
}

fn holdings(builds: Vec<KeptBuild>, bytes: &[u64]) -> Holdings {
    let sets =
        bytes.iter().zip(0..).map(|(&bytes, n)| FileSet { build_key: key(n), bytes }).collect();
    Holdings { builds, sets }
}

fn keys(deletions: &[Deletion]) -> Vec<Sha256Hex> {
    deletions.iter().map(|it| it.build_key.clone()).collect()
}

fn decide(holdings: &Holdings, space: Option<Space>, now: i64) -> RetentionPlan {
    plan(holdings, space, &RetentionPolicy::default(), at(now))
}

#[test]
fn files_stay_one_hour_beyond_keep_until() {
    let holdings = holdings(vec![build(0, 1, 10, None)], &[5]);
    assert_eq!(decide(&holdings, None, 10), RetentionPlan::default());
    let plan = decide(&holdings, None, 11);
    assert_eq!(keys(&plan.expired), [key(0)]);
    assert_eq!(plan.logs, ["0-1-10"]);
}

#[test]
fn shared_files_stay_until_the_last_build_that_refers_to_them() {
    let holdings = holdings(vec![build(0, 1, 2, None), build(0, 1, 50, None)], &[5]);
    let plan = decide(&holdings, None, 20);
    assert!(plan.expired.is_empty());
    assert_eq!(plan.logs, ["0-1-2"]);
}

#[test]
fn above_the_high_water_mark_the_least_recently_served_go_first() {
    let builds =
        vec![build(0, 1, 900, Some(30)), build(1, 1, 900, Some(10)), build(2, 1, 900, Some(20))];
    let space = Space { used: 90, capacity: 100 };
    let plan = decide(&holdings(builds, &[30, 10, 30]), Some(space), 100);
    assert_eq!(keys(&plan.evicted), [key(1), key(2)]);
    assert!(!plan.admission_paused);
}

#[test]
fn expired_files_are_counted_before_others_are_evicted() {
    let builds = vec![build(0, 1, 2, None), build(1, 1, 900, None)];
    let space = Space { used: 90, capacity: 100 };
    let plan = decide(&holdings(builds, &[40, 50]), Some(space), 100);
    assert_eq!(keys(&plan.expired), [key(0)]);
    assert!(plan.evicted.is_empty());
}

#[test]
fn admission_is_paused_while_the_store_is_nearly_full() {
    let space = Space { used: 95, capacity: 100 };
    assert!(decide(&Holdings::default(), Some(space), 0).admission_paused);
}

#[test]
fn folders_without_a_row_are_orphans() {
    let found = [key(0), key(7)].into();
    assert_eq!(orphans(&found, &holdings(vec![], &[1])), [key(7)]);
}

prop_compose! {
    fn any_build()(
        n in 0_u8..6,
        fresh in 0_i64..100,
        longer in 0_i64..100,
        served in proptest::option::of(0_i64..200),
    ) -> KeptBuild {
        build(n, fresh, fresh + longer, served)
    }
}

proptest! {
    #[test]
    fn nothing_fresh_and_nothing_still_kept_below_the_mark_ever_goes(
        builds in proptest::collection::vec(any_build(), 0..20),
        bytes in proptest::collection::vec(0_u64..50, 6),
        used in 0_u64..120,
        now in 0_i64..250,
    ) {
        let holdings = holdings(builds, &bytes);
        let space = Space { used, capacity: 100 };
        let plan = decide(&holdings, Some(space), now);
        for gone in plan.expired.iter().chain(&plan.evicted) {
            for build in &holdings.builds {
                if build.build_key.as_ref() == Some(&gone.build_key) {
                    prop_assert!(build.fresh_until <= at(now));
                    prop_assert!(build.keep_until <= gone.keep_until);
                }
            }
        }
        for gone in &plan.expired {
            prop_assert!(gone.keep_until < at(now));
        }
        if used < 85 {
            prop_assert!(plan.evicted.is_empty());
        }
    }

    #[test]
    fn no_file_set_goes_twice_and_eviction_stops_at_the_low_mark(
        builds in proptest::collection::vec(any_build(), 0..20),
        bytes in proptest::collection::vec(1_u64..50, 6),
        used in 0_u64..120,
        now in 0_i64..250,
    ) {
        let plan = decide(&holdings(builds, &bytes), Some(Space { used, capacity: 100 }), now);
        let all: Vec<_> = plan.expired.iter().chain(&plan.evicted).collect();
        let distinct: BTreeSet<_> = all.iter().map(|it| &it.build_key).collect();
        prop_assert_eq!(all.len(), distinct.len());
        let without_last: u64 = plan.expired.iter().map(|it| it.bytes).sum::<u64>()
            + plan.evicted.iter().rev().skip(1).map(|it| it.bytes).sum::<u64>();
        if !plan.evicted.is_empty() {
            prop_assert!(used.saturating_sub(without_last) > 75);
        }
    }
}
