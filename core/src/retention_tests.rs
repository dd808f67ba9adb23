use proptest::prelude::*;

use super::*;

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

fn key(n: u8) -> BuildKey {
    BuildKey::of(&[n])
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
        private: false,
    }
}

fn holdings(builds: Vec<KeptBuild>, bytes: &[u64]) -> Holdings {
    let sets =
        bytes.iter().zip(0..).map(|(&bytes, n)| FileSet { build_key: key(n), bytes }).collect();
    Holdings { builds, sets }
}

fn keys(deletions: &[Deletion]) -> Vec<BuildKey> {
    deletions.iter().map(|deletion| deletion.build_key).collect()
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
fn shared_files_are_kept_until_the_last_build_expires() {
    let holdings = holdings(vec![build(0, 1, 2, None), build(0, 1, 50, None)], &[5]);
    let plan = decide(&holdings, None, 20);
    assert!(plan.expired.is_empty());
    assert_eq!(plan.logs, ["0-1-2"]);
}

#[test]
fn above_the_high_water_mark_the_least_recently_served_files_are_evicted_first() {
    let builds =
        vec![build(0, 1, 900, Some(30)), build(1, 1, 900, Some(10)), build(2, 1, 900, Some(20))];
    let space = Space { used: 90, capacity: 100 };
    let plan = decide(&holdings(builds, &[30, 10, 30]), Some(space), 100);
    assert_eq!(keys(&plan.evicted), [key(1), key(2)]);
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
fn a_store_is_too_full_from_the_pause_mark_on() {
    let full = |used| is_too_full(Space { used, capacity: 100 }, &RetentionPolicy::default());
    assert!(full(95) && !full(94));
}

#[test]
fn a_configured_capacity_limits_or_replaces_that_of_the_volume() {
    let told = Some(Space { used: 7, capacity: 100 });
    assert_eq!(space(told, None, 3), told);
    assert_eq!(space(told, Some(50), 3), Some(Space { used: 7, capacity: 50 }));
    assert_eq!(space(told, Some(500), 3), told);
    assert_eq!(space(None, Some(50), 3), Some(Space { used: 3, capacity: 50 }));
    assert_eq!(space(None, None, 3), None);
    assert_eq!(space(told, Some(0), 3), told);
}

fn full(builds: Vec<KeptBuild>, bytes: &[u64], now: i64) -> Vec<BuildKey> {
    let space = Space { used: 96, capacity: 100 };
    keys(&decide(&holdings(builds, bytes), Some(space), now).evicted)
}

#[test]
fn a_store_full_of_fresh_images_evicts_the_least_recently_served_then_the_oldest() {
    let young = KeptBuild { finished_at: at(9), ..build(3, 500, 900, None) };
    let builds = vec![
        build(0, 500, 900, Some(8)),
        build(1, 500, 900, Some(5)),
        build(2, 500, 900, None),
        young,
    ];
    assert_eq!(full(builds, &[6, 6, 6, 6], 20), [key(2), key(3)]);
}

#[test]
fn fresh_images_below_the_minimum_age_are_not_evicted() {
    let builds = vec![build(0, 500, 900, None)];
    let space = Space { used: 96, capacity: 100 };
    let policy = RetentionPolicy::default();
    let just_before = at(1) - SignedDuration::from_secs(1);
    let held = holdings(builds, &[90]);
    assert!(plan(&held, Some(space), &policy, just_before).evicted.is_empty());
    assert_eq!(keys(&plan(&held, Some(space), &policy, at(1)).evicted), [key(0)]);
}

#[test]
fn an_image_that_is_being_downloaded_is_not_evicted() {
    let builds = |fresh| vec![build(0, fresh, 900, Some(20)), build(1, fresh, 900, Some(10))];
    for fresh in [1, 500] {
        assert_eq!(full(builds(fresh), &[50, 50], 20), [key(1)], "{fresh}");
    }
}

#[test]
fn a_fresh_private_image_is_never_evicted() {
    let private = KeptBuild { private: true, ..build(0, 500, 900, None) };
    assert!(full(vec![private], &[90], 20).is_empty());
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
    fn fresh_images_are_evicted_last_and_never_if_private_young_or_being_sent(
        builds in proptest::collection::vec((any_build(), any::<bool>()), 0..20),
        bytes in proptest::collection::vec(0_u64..50, 6),
        used in 0_u64..120,
        now in 0_i64..250,
    ) {
        let builds = builds.into_iter().map(|(build, private)| KeptBuild { private, ..build });
        let holdings = holdings(builds.collect(), &bytes);
        let space = Space { used, capacity: 100 };
        let plan = decide(&holdings, Some(space), now);
        let users = |gone: &Deletion| {
            let key = gone.build_key;
            holdings.builds.iter().filter(move |build| build.build_key.as_ref() == Some(&key))
        };
        for gone in &plan.expired {
            prop_assert!(gone.keep_until < at(now));
        }
        let stale = |gone: &Deletion| users(gone).all(|build| build.fresh_until <= at(now));
        let mut left = used.saturating_sub(plan.expired.iter().map(|gone| gone.bytes).sum());
        for gone in &plan.evicted {
            prop_assert!(left >= 85 || (stale(gone) && left > 75));
            for build in users(gone) {
                prop_assert!(build.keep_until <= gone.keep_until);
                let sent = build.last_served.is_some_and(|sent| {
                    sent <= at(now) && at(now).duration_since(sent) < SignedDuration::from_mins(15)
                });
                prop_assert!(!sent);
                prop_assert!(stale(gone) || !build.private);
            }
            left = left.saturating_sub(gone.bytes);
        }
        let fresh_first = plan.evicted.iter().skip_while(|gone| stale(gone)).any(stale);
        prop_assert!(!fresh_first, "what is stale goes before what is fresh");
        if used < 85 {
            prop_assert!(plan.evicted.is_empty());
        }
    }

    #[test]
    fn eviction_reaches_the_mark_if_there_are_enough_old_public_files(
        fresh in proptest::collection::vec(150_i64..200, 6),
        bytes in proptest::collection::vec(20_u64..50, 6),
        used in 85_u64..=100,
    ) {
        let builds = fresh.iter().zip(0..).map(|(fresh, n)| build(n, *fresh, 900, None)).collect();
        let plan = decide(&holdings(builds, &bytes), Some(Space { used, capacity: 100 }), 100);
        let freed: u64 = plan.evicted.iter().map(|gone| gone.bytes).sum();
        prop_assert!(used.saturating_sub(freed) < 85);
    }

    #[test]
    fn no_file_set_is_deleted_twice_and_eviction_stops_at_the_low_water_mark(
        builds in proptest::collection::vec(any_build(), 0..20),
        bytes in proptest::collection::vec(1_u64..50, 6),
        used in 0_u64..120,
        now in 0_i64..250,
    ) {
        let plan = decide(&holdings(builds, &bytes), Some(Space { used, capacity: 100 }), now);
        let all: Vec<_> = plan.expired.iter().chain(&plan.evicted).collect();
        let distinct: BTreeSet<_> = all.iter().map(|deletion| &deletion.build_key).collect();
        prop_assert_eq!(all.len(), distinct.len());
        let without_last: u64 = plan.expired.iter().map(|expired| expired.bytes).sum::<u64>()
            + plan.evicted.iter().rev().skip(1).map(|evicted| evicted.bytes).sum::<u64>();
        if !plan.evicted.is_empty() {
            prop_assert!(used.saturating_sub(without_last) > 75);
        }
    }
}
