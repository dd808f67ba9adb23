//! Finished builds by request hash, in memory: which build answers a hash, and until when this is valid
//! without another query.
//!
//! Look-ups fill it, and notifications of the database remove entries. It contains no answers and no
//! records.

use asu_core::{answer::Intent, request_hash::RequestHash};
use jiff::{SignedDuration, Timestamp};
use moka::{policy::EvictionPolicy, sync::Cache};

use super::FinishedBuild;

/// Maximum time without another query: retention may have deleted the files since, and its
/// notification may have been lost.
const TRUSTED: SignedDuration = SignedDuration::from_secs(30);
/// The same for a stale build, which a newer build may replace at any time. It is long enough that not
/// every poll causes a query.
const OVERTAKEN: SignedDuration = SignedDuration::from_secs(5);
/// Maximum number of hashes. Each takes about 400 bytes.
const MAX_BUILDS: u64 = 20_000;

/// Finished builds by request hash, limited in number.
#[derive(Debug)]
pub struct FinishedBuilds(Cache<RequestHash, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    until: Timestamp,
    /// Whether it answers a POST, so that no build is created.
    counts: bool,
    build: FinishedBuild,
}

impl Default for FinishedBuilds {
    fn default() -> Self {
        Self::of(MAX_BUILDS)
    }
}

impl FinishedBuilds {
    fn of(most: u64) -> Self {
        let cache = Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru());
        Self(cache.build())
    }

    /// The build that answers `intent` for a hash, if this is known without a query.
    pub fn get(&self, hash: &RequestHash, intent: Intent, now: Timestamp) -> Option<FinishedBuild> {
        let entry = self.0.get(hash)?;
        // A failure of another order of the packages does not answer the request.
        let fits = now < entry.until
            && (entry.counts || intent == Intent::Poll)
            && intent.accepts_order(entry.build.order);
        fits.then_some(entry.build)
    }

    /// Adds a fresh build, which answers until `fresh_until`.
    pub fn put(&self, build: &FinishedBuild, fresh_until: Timestamp, now: Timestamp) {
        self.insert(build, fresh_until, true, now);
    }

    /// Adds a stale build, which answers only GET, until `keep_until`.
    pub fn put_stale(&self, build: &FinishedBuild, keep_until: Timestamp, now: Timestamp) {
        self.insert(build, keep_until, false, now);
    }

    fn insert(&self, build: &FinishedBuild, end: Timestamp, counts: bool, now: Timestamp) {
        let trusted = if counts { TRUSTED } else { OVERTAKEN };
        let until = now.checked_add(trusted).map_or(end, |trusted| trusted.min(end));
        let build = FinishedBuild { record: None, ..build.clone() };
        self.0.insert(build.hash, Entry { until, counts, build });
    }

    /// Removes the build of a hash.
    pub fn forget(&self, hash: &RequestHash) {
        self.0.invalidate(hash);
    }
}

#[cfg(test)]
mod tests {
    use asu_core::{answer::Order, request::Request};

    use super::*;

    fn build() -> FinishedBuild {
        FinishedBuild { hash: RequestHash::of(b"a"), uid: "uid".into(), order: None, record: None }
    }

    fn order(names: &[&str]) -> Order {
        let packages = names.iter().map(|name| name.parse().unwrap()).collect();
        Order::of(&Request {
            packages,
            ..asu_crds::examples::build().spec.request.to_request().unwrap()
        })
    }

    /// A client that wants the image.
    fn wanted() -> Intent {
        Intent::Build(order(&["a", "b"]))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_failure_of_one_order_does_not_answer_another_order() {
        let builds = FinishedBuilds::default();
        let failed = FinishedBuild { order: Some(order(&["b", "a"])), ..build() };
        builds.put(&failed, at(20), at(0));
        assert!(builds.get(&failed.hash, wanted(), at(1)).is_none());
        assert!(builds.get(&failed.hash, Intent::Build(order(&["b", "a"])), at(1)).is_some());
        assert!(builds.get(&failed.hash, Intent::Poll, at(1)).is_some());
    }

    #[test]
    fn a_build_answers_until_it_is_stale() {
        let builds = FinishedBuilds::default();
        builds.put(&build(), at(20), at(0));
        assert!(builds.get(&build().hash, wanted(), at(19)).is_some());
        assert!(builds.get(&build().hash, wanted(), at(20)).is_none());
    }

    #[test]
    fn the_database_is_queried_again_even_while_a_build_is_fresh() {
        let builds = FinishedBuilds::default();
        builds.put(&build(), at(1_000_000), at(0));
        assert!(builds.get(&build().hash, wanted(), at(29)).is_some());
        assert!(builds.get(&build().hash, wanted(), at(30)).is_none());
    }

    #[test]
    fn a_stale_build_answers_get_for_a_few_seconds() {
        let builds = FinishedBuilds::default();
        builds.put_stale(&build(), at(1_000_000), at(0));
        assert!(builds.get(&build().hash, Intent::Poll, at(4)).is_some());
        assert!(builds.get(&build().hash, wanted(), at(4)).is_none());
        assert!(builds.get(&build().hash, Intent::Poll, at(5)).is_none());
        builds.put_stale(&build(), at(2), at(0));
        assert!(builds.get(&build().hash, Intent::Poll, at(2)).is_none());
    }

    #[test]
    fn a_newer_build_replaces_an_older_one_and_a_forgotten_build_is_removed() {
        let builds = FinishedBuilds::default();
        builds.put(&build(), at(20), at(0));
        builds.put(&FinishedBuild { uid: "newer".into(), ..build() }, at(20), at(0));
        assert_eq!(builds.get(&build().hash, wanted(), at(1)).unwrap().uid.as_ref(), "newer");
        builds.forget(&build().hash);
        assert!(builds.get(&build().hash, wanted(), at(1)).is_none());
    }

    #[test]
    fn the_number_of_builds_is_limited_and_the_last_build_is_kept() {
        let builds = FinishedBuilds::of(10);
        for n in 0..100_u8 {
            let build = FinishedBuild { hash: RequestHash::of(&[n]), ..build() };
            builds.put(&build, at(9), at(0));
            assert!(builds.get(&build.hash, wanted(), at(0)).is_some());
        }
        builds.0.run_pending_tasks();
        assert!(builds.0.entry_count() <= 10);
    }
}
