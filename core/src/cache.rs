//! Which ImageBuilder trees go, and when one that could not be had is tried again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// One cache as eviction sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// Name of its object.
    pub name: String,
    /// Kept whatever happens.
    pub pinned: bool,
    /// Builds that refer to it and have not ended, counted from the builds themselves.
    pub users: usize,
    /// When a build last began with it; when it became ready or was created, if none ever did.
    pub last_used: Timestamp,
    /// Bytes of its tree.
    pub bytes: u64,
}

/// Bounds of eviction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CachePolicy {
    /// A cache that nothing used for so long goes.
    pub max_idle: SignedDuration,
    /// Bytes of all trees above which the least recently used go; no bound when absent.
    pub max_bytes: Option<u64>,
    /// A cache used since then stays even above `max_bytes`, so that none is fetched and dropped
    /// in turns.
    pub min_idle: SignedDuration,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            max_idle: SignedDuration::from_hours(7 * 24),
            max_bytes: None,
            min_idle: SignedDuration::from_mins(10),
        }
    }
}

/// Names of the caches to delete, least recently used first. Never one that is pinned or used.
pub fn evict(caches: &[CacheUse], policy: &CachePolicy, now: Timestamp) -> Vec<String> {
    let mut total: u64 = caches.iter().map(|cache| cache.bytes).fold(0, u64::saturating_add);
    let mut candidates: Vec<&CacheUse> =
        caches.iter().filter(|cache| !cache.pinned && cache.users == 0).collect();
    candidates.sort_by_key(|cache| (cache.last_used, &cache.name));
    let mut gone = Vec::new();
    for cache in candidates {
        let idle = now.duration_since(cache.last_used);
        let crowded = policy.max_bytes.is_some_and(|max| total > max)
            && cache.bytes > 0
            && idle >= policy.min_idle;
        if crowded || idle >= policy.max_idle {
            total = total.saturating_sub(cache.bytes);
            gone.push(cache.name.clone());
        }
    }
    gone
}

/// Pause after that many failures in a row: 10 s, doubled each time, 10 min at most.
pub fn retry_after(failures: u32) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(6);
    SignedDuration::from_secs((10_i64 << doublings).min(600))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn caches() -> impl Strategy<Value = Vec<CacheUse>> {
        let one = (any::<bool>(), 0_usize..2, 0_i64..1_000_000, 0_u64..100);
        proptest::collection::vec(one, 0..12).prop_map(|all| {
            all.into_iter()
                .enumerate()
                .map(|(at, (pinned, users, used, bytes))| CacheUse {
                    name: format!("c{at}"),
                    pinned,
                    users,
                    last_used: Timestamp::from_second(used).unwrap(),
                    bytes,
                })
                .collect()
        })
    }

    #[test]
    fn retries_double_from_ten_seconds_to_ten_minutes() {
        let pauses: Vec<i64> = (1..=8).map(|n| retry_after(n).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(retry_after(0).as_secs(), 10);
        assert_eq!(retry_after(u32::MAX).as_secs(), 600);
    }

    #[test]
    fn a_tree_that_is_not_there_yet_makes_no_room() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let unused = |name: &str, bytes| CacheUse {
            name: name.into(),
            pinned: false,
            users: 0,
            last_used: at(0),
            bytes,
        };
        let caches = [unused("filling", 0), unused("full", 9)];
        let policy = CachePolicy { max_bytes: Some(5), ..CachePolicy::default() };
        let now = at(policy.min_idle.as_secs());
        assert_eq!(evict(&caches, &policy, now), ["full"]);
        let much_later = at(policy.max_idle.as_secs());
        assert_eq!(evict(&caches, &policy, much_later), ["filling", "full"]);
    }

    proptest! {
        #[test]
        fn what_is_pinned_or_used_stays(caches in caches(), max in 0_u64..500) {
            let policy = CachePolicy { max_bytes: Some(max), ..CachePolicy::default() };
            let gone = evict(&caches, &policy, Timestamp::from_second(2_000_000).unwrap());
            for cache in &caches {
                if cache.pinned || cache.users > 0 {
                    prop_assert!(!gone.contains(&cache.name));
                }
            }
        }

        #[test]
        fn enough_goes_when_anything_may_go(caches in caches(), max in 0_u64..500) {
            let policy = CachePolicy { max_bytes: Some(max), ..CachePolicy::default() };
            let gone = evict(&caches, &policy, Timestamp::from_second(2_000_000).unwrap());
            let left: Vec<_> = caches.iter().filter(|c| !gone.contains(&c.name)).collect();
            let bytes: u64 = left.iter().map(|cache| cache.bytes).sum();
            prop_assert!(bytes <= max || left.iter().all(|c| c.pinned || c.users > 0));
        }
    }
}
