//! What the leader keeps in memory between readings of the download servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use asu_core::{catalog::Distribution, profile_pool::ProfilePool};
use asu_store::{PgStore, StoreError, model::Catalog};
use asu_upstream::{FeedsMemory, Memory};

use super::{looks::Looks, recall::Recall};
use crate::context::Context;

/// State that the leader keeps in memory between readings: what was read of each version, to skip
/// what is unchanged, and when the next reading is due.
#[derive(Debug, Default)]
pub struct Memories(Mutex<Known>, Recall, ProfilePool, Looks);

#[derive(Debug, Default)]
struct Known {
    versions: BTreeMap<(String, String), Memory>,
    /// By distribution, branch and architecture.
    feeds: BTreeMap<(String, String, String), FeedsMemory>,
    /// The catalog by distribution, so that only what has changed is read from the database again.
    rows: BTreeMap<String, Catalog>,
    /// Distributions for which the memory of the former leader was taken over.
    restored: BTreeSet<String>,
    due: BTreeMap<String, Instant>,
    pauses: BTreeMap<String, Duration>,
    /// Revisions of the parents' catalogs that were read, by distribution.
    parents: BTreeMap<String, i64>,
}

/// Memories of versions, by name.
type RememberedVersions = BTreeMap<String, Memory>;
/// Memories of feeds, by branch and architecture.
type RememberedFeeds = BTreeMap<(String, String), FeedsMemory>;

/// Pause after an incomplete reading; it doubles with each further one.
pub const RETRY: Duration = Duration::from_mins(1);

impl Memories {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a version.
    pub fn get(&self, distribution: &str, version: &str) -> Memory {
        let key = (distribution.to_owned(), version.to_owned());
        self.lock().versions.get(&key).cloned().unwrap_or_default()
    }

    /// Remembers what was read of a version.
    pub fn put(&self, distribution: &str, version: &str, memory: Memory) {
        self.lock().versions.insert((distribution.to_owned(), version.to_owned()), memory);
    }

    /// The feeds of an architecture as last read.
    pub fn feeds(&self, distribution: &str, branch: &str, arch: &str) -> FeedsMemory {
        let key = (distribution.to_owned(), branch.to_owned(), arch.to_owned());
        self.lock().feeds.get(&key).cloned().unwrap_or_default()
    }

    /// Remembers the feeds of an architecture.
    pub fn put_feeds(&self, distribution: &str, branch: &str, arch: &str, memory: FeedsMemory) {
        let key = (distribution.to_owned(), branch.to_owned(), arch.to_owned());
        self.lock().feeds.insert(key, memory);
    }

    /// What is remembered of a distribution: versions by name, and feeds by branch and architecture.
    pub fn remembered(&self, distribution: &str) -> (RememberedVersions, RememberedFeeds) {
        let known = self.lock();
        let versions = known.versions.iter().filter(|((name, _), _)| name == distribution);
        let feeds = known.feeds.iter().filter(|((name, ..), _)| name == distribution);
        let version = |((_, version), memory): (&(String, String), &Memory)| {
            (version.clone(), memory.clone())
        };
        let feed = |((_, branch, arch), memory): (&(String, String, String), &FeedsMemory)| {
            ((branch.clone(), arch.clone()), memory.clone())
        };
        (versions.map(version).collect(), feeds.map(feed).collect())
    }

    /// Whether the memory of the former leader was taken over.
    pub fn is_restored(&self, distribution: &str) -> bool {
        self.lock().restored.contains(distribution)
    }

    /// Records that the memory of the former leader was taken over.
    pub fn set_restored(&self, distribution: &str) {
        self.lock().restored.insert(distribution.to_owned());
    }

    /// Forgets what was read of a distribution, so that the next reading reads everything again.
    pub fn forget_what_was_read(&self, distribution: &str) {
        let mut known = self.lock();
        known.versions.retain(|(name, _), _| name != distribution);
        known.feeds.retain(|(name, ..), _| name != distribution);
    }

    /// When the next reading is due; `None` before this process has read the distribution once.
    pub fn due(&self, distribution: &str) -> Option<Instant> {
        self.lock().due.get(distribution).copied()
    }

    /// Sets when the next reading is due.
    pub fn set_due(&self, distribution: &str, at: Instant) {
        self.lock().due.insert(distribution.to_owned(), at);
    }

    /// Revision of the parent's catalog that a distribution was last read from.
    pub fn parent_read(&self, distribution: &str) -> Option<i64> {
        self.lock().parents.get(distribution).copied()
    }

    /// Remembers the revision of the parent's catalog; `None` if the parent is missing.
    pub fn set_parent_read(&self, distribution: &str, revision: Option<i64>) {
        let mut known = self.lock();
        known.parents.remove(distribution);
        known.parents.extend(revision.map(|revision| (distribution.to_owned(), revision)));
    }

    /// Makes the next reading due at once.
    pub fn clear_due(&self, distribution: &str) {
        self.lock().due.remove(distribution);
    }

    /// Time until the next reading. After incomplete readings it starts with `RETRY` and
    /// doubles, so that a permanent fault does not cause a request every minute.
    pub fn pause(&self, distribution: &str, complete: bool, interval: Duration) -> Duration {
        let mut known = self.lock();
        if complete {
            known.pauses.remove(distribution);
            return interval;
        }
        let pause = known.pauses.get(distribution).map_or(RETRY, |last| last.saturating_mul(2));
        let pause = pause.min(interval);
        known.pauses.insert(distribution.to_owned(), pause);
        pause
    }

    /// What the catalog offers of a target, through the cache in `recall.rs`: a distribution with the
    /// names of its versions, and this target only.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn offered(
        &self,
        context: &Context,
        distribution: &str,
        version: &str,
        target: &str,
    ) -> Result<Option<Arc<Distribution>>, StoreError> {
        self.1.target(context, distribution, version, target).await
    }

    /// The targets that builds ask for.
    pub fn looks(&self) -> &Looks {
        &self.3
    }

    /// Shares equal devices between everything that this process has read.
    pub fn pool(&self) -> &ProfilePool {
        &self.2
    }

    /// The rows of a distribution. Only what has changed since the last call is read from the database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reload(
        &self,
        database: &PgStore,
        distribution: &str,
    ) -> Result<Catalog, StoreError> {
        let known = self.lock().rows.get(distribution).cloned().unwrap_or_default();
        let rows = database.reload_catalog(&known, Some(distribution), self.pool()).await?;
        drop(known);
        self.lock().rows.insert(distribution.to_owned(), rows.clone());
        Ok(rows)
    }

    /// Forgets a deleted distribution.
    pub fn forget(&self, distribution: &str) {
        self.forget_what_was_read(distribution);
        let mut known = self.lock();
        known.pauses.remove(distribution);
        known.rows.remove(distribution);
        known.parents.remove(distribution);
        known.due.remove(distribution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_incomplete_readings_doubles_up_to_the_interval() {
        let memories = Memories::default();
        let interval = Duration::from_mins(10);
        let minutes = |complete| memories.pause("d", complete, interval).as_secs() / 60;
        let broken: Vec<u64> = (0..6).map(|_| minutes(false)).collect();
        assert_eq!(broken, [1, 2, 4, 8, 10, 10]);
        assert_eq!((minutes(true), minutes(false)), (10, 1));
    }
}
