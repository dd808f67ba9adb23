//! Decides which caches of ImageBuilders are evicted, and how long to wait before a failed one is
//! populated again. Called by the operator's cache controller, which deletes and creates them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The facts of a cache that eviction depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// Name of the ImageBuilderCache.
    pub name: String,
    /// Whether it is exempt from eviction.
    pub pinned: bool,
    /// Number of unfinished builds that refer to it, counted from the builds themselves.
    pub users: usize,
    /// When the last build with it began; without any, when it became ready or was created.
    pub last_used: Timestamp,
    /// Size of its tree in bytes; 0 while it is not populated.
    pub bytes: u64,
}

/// Limits of eviction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CachePolicy {
    /// A cache that was not used for this time is evicted.
    pub max_idle: SignedDuration,
    /// Maximum total size of all trees in bytes; above it the least recently used are evicted. `None`
    /// means no limit.
    pub max_bytes: Option<u64>,
    /// A cache that was used within this time is not evicted because of `max_bytes`. This prevents
    /// populating and evicting the same caches in turn.
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

/// Names of the caches to delete, least recently used first. Pinned and used ones are never included.
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

/// Pause after this many consecutive failures: 10 s, doubled each time, at most 10 min.
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
    fn evicting_a_tree_that_does_not_exist_yet_frees_no_space() {
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
        fn pinned_and_used_caches_are_not_evicted(caches in caches(), max in 0_u64..500) {
            let policy = CachePolicy { max_bytes: Some(max), ..CachePolicy::default() };
            let gone = evict(&caches, &policy, Timestamp::from_second(2_000_000).unwrap());
            for cache in &caches {
                if cache.pinned || cache.users > 0 {
                    prop_assert!(!gone.contains(&cache.name));
                }
            }
        }

        #[test]
        fn eviction_reaches_the_limit_if_all_caches_may_be_evicted(caches in caches(), max in 0_u64..500) {
            let policy = CachePolicy { max_bytes: Some(max), ..CachePolicy::default() };
            let gone = evict(&caches, &policy, Timestamp::from_second(2_000_000).unwrap());
            let left: Vec<_> = caches.iter().filter(|c| !gone.contains(&c.name)).collect();
            let bytes: u64 = left.iter().map(|cache| cache.bytes).sum();
            prop_assert!(bytes <= max || left.iter().all(|c| c.pinned || c.users > 0));
        }
    }
}
