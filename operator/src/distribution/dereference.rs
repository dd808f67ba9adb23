//! Reads what the spec refers to: the download server.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use asu_core::catalog::{Distribution, Version};
use asu_crds::{ImageBuilderCache, labels};
use asu_store::{StoreError, model::Catalog};
use asu_upstream::{
    CatalogRead, ClientOptions, Memory, ReadRequest, Upstream, UpstreamError, read_catalog,
};
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    recall::Recall,
    validate::{ValidBranch, Validated},
};
use crate::{cache::observe, context::Context};

/// The caches of a distribution that builds can use, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadyCaches {
    /// All of them.
    pub all: BTreeSet<String>,
    /// Those that are pinned, or that a build ever began with.
    pub wanted: BTreeSet<String>,
}

/// The caches of a distribution that builds can use. One that is being deleted is none.
pub fn ready_caches(context: &Context, distribution: &str) -> ReadyCaches {
    let mut ready = ReadyCaches::default();
    for cache in context.stores.caches.state() {
        if cache.spec.distribution != distribution || !is_usable(&cache) {
            continue;
        }
        if cache.spec.pinned || observe(context, &cache).last_used.is_some() {
            ready.wanted.insert(cache.name_any());
        }
        ready.all.insert(cache.name_any());
    }
    ready
}

fn is_usable(cache: &ImageBuilderCache) -> bool {
    let placed = cache.status.as_ref().is_some_and(|status| status.place.is_some());
    placed && cache.metadata.deletion_timestamp.is_none()
}

/// What the last reading of each version of each distribution remembers, to skip what is unchanged,
/// and when the next reading is due.
#[derive(Debug, Default)]
pub struct Memories(Mutex<Known>, Recall);

#[derive(Debug, Default)]
struct Known {
    versions: BTreeMap<(String, String), Memory>,
    due: BTreeMap<String, Instant>,
    pauses: BTreeMap<String, Duration>,
}

/// Pause after a reading that was not complete; it doubles with each.
pub const RETRY: Duration = Duration::from_mins(1);

impl Memories {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, distribution: &str, version: &str) -> Memory {
        let key = (distribution.to_owned(), version.to_owned());
        self.lock().versions.get(&key).cloned().unwrap_or_default()
    }

    fn put(&self, distribution: &str, version: &str, memory: Memory) {
        self.lock().versions.insert((distribution.to_owned(), version.to_owned()), memory);
    }

    /// When a distribution is read next; nothing before this process has read it once.
    pub fn due(&self, distribution: &str) -> Option<Instant> {
        self.lock().due.get(distribution).copied()
    }

    /// Sets when a distribution is read next.
    pub fn set_due(&self, distribution: &str, at: Instant) {
        self.lock().due.insert(distribution.to_owned(), at);
    }

    /// A distribution is read whenever it is asked for.
    pub fn clear_due(&self, distribution: &str) {
        self.lock().due.remove(distribution);
    }

    /// Time until the next reading after one that was complete or not. What stays broken is not asked
    /// for every minute for ever.
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

    /// The catalog as the database has it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn offered(&self, context: &Context) -> Result<Arc<Catalog>, StoreError> {
        self.1.catalog(context).await
    }

    /// Forgets a distribution.
    pub fn forget(&self, distribution: &str) {
        let mut known = self.lock();
        known.pauses.remove(distribution);
        known.versions.retain(|(name, _), _| name != distribution);
        known.due.remove(distribution);
    }
}

/// What came of one version.
#[derive(Debug)]
pub struct VersionRead {
    /// Its branch.
    pub branch: String,
    /// Its name.
    pub version: String,
    /// What it offers, or why nothing could be read.
    pub read: Result<Version, String>,
    /// Targets that could not be read, with the reason.
    pub problems: BTreeMap<String, String>,
    /// What is wrong with a target that could be read: with a mirror, or with some of its devices.
    pub faults: BTreeMap<String, String>,
}

/// What is offered before a reading.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// The last good catalog.
    pub last: Option<&'a Distribution>,
    /// Older revisions that may be gone back to, with blanks between them.
    pub accepted: &'a str,
}

impl Offered<'_> {
    /// Revisions that a version offers, by target.
    fn of(&self, version: &str) -> BTreeMap<String, String> {
        let last = self.last.and_then(|last| last.version(version));
        let ready = last.into_iter().flat_map(|version| &version.ready);
        ready.map(|(name, target)| (name.clone(), target.version_code.clone())).collect()
    }
}

/// Reads every version, one after the other; targets are read at the same time. `None` when the
/// process stops meanwhile.
pub async fn read(
    distribution: &str,
    spec: &Validated,
    offered: Offered<'_>,
    memories: &Memories,
    stop: &CancellationToken,
) -> Result<Option<Vec<VersionRead>>, UpstreamError> {
    let upstream = Upstream::new(spec.mirrors.clone(), ClientOptions::default())?;
    let mut all = Vec::new();
    for branch in &spec.branches {
        for (version, path) in &branch.versions {
            let trust = match &branch.trust {
                Ok(trust) => trust.clone(),
                Err(problem) => {
                    all.push(VersionRead::failed(branch, version, problem.clone()));
                    continue;
                }
            };
            let request = ReadRequest {
                version: version.clone(),
                branch: branch.name.clone(),
                path: path.clone(),
                snapshot: branch.snapshot,
                targets: spec.targets.clone(),
                trust,
                offered: offered.of(version),
                accepted: offered.accepted.split_whitespace().map(str::to_owned).collect(),
                memory: memories.get(distribution, version),
            };
            let reading = on_its_own_thread(upstream.clone(), request, stop.clone());
            let Some(read) = reading.await else { return Ok(None) };
            all.push(match read {
                Err(problem) => VersionRead::failed(branch, version, problem),
                Ok(found) => {
                    memories.put(distribution, version, found.memory);
                    VersionRead {
                        branch: branch.name.clone(),
                        version: version.clone(),
                        problems: described(&found.problems),
                        faults: described(&found.faults),
                        read: Ok(found.version),
                    }
                }
            });
        }
    }
    Ok(Some(all))
}

impl VersionRead {
    fn failed(branch: &ValidBranch, version: &str, problem: String) -> Self {
        Self {
            branch: branch.name.clone(),
            version: version.to_owned(),
            read: Err(problem),
            problems: BTreeMap::new(),
            faults: BTreeMap::new(),
        }
    }
}

fn described(errors: &BTreeMap<String, UpstreamError>) -> BTreeMap<String, String> {
    let hint = |error: &UpstreamError| match error {
        UpstreamError::OlderRevision { said, .. } => format!(
            "{error}; annotate the Distribution with {}={said} if that is meant",
            labels::ACCEPT_REVISIONS
        ),
        _ => error.to_string(),
    };
    errors.iter().map(|(target, error)| (target.clone(), hint(error))).collect()
}

/// Parsing and checking 30 MB of a large version takes a second: not on a thread that others wait
/// for. `None` when the process stops meanwhile.
async fn on_its_own_thread(
    upstream: Upstream,
    request: ReadRequest,
    stop: CancellationToken,
) -> Option<Result<CatalogRead, String>> {
    let runtime = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        runtime.block_on(stop.run_until_cancelled(read_catalog(&upstream, &request)))
    });
    match reading.await {
        Ok(read) => read.map(|read| read.map_err(|error| error.to_string())),
        Err(_) => Some(Err("reading it failed inside this program".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use asu_crds::{CachePlace, ImageBuilderCacheStatus, examples};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn what_stays_broken_is_read_ever_less_often_and_at_least_as_often_as_the_rest() {
        let memories = Memories::default();
        let interval = Duration::from_mins(10);
        let minutes = |complete| memories.pause("d", complete, interval).as_secs() / 60;
        let broken: Vec<u64> = (0..6).map(|_| minutes(false)).collect();
        assert_eq!(broken, [1, 2, 4, 8, 10, 10]);
        assert_eq!((minutes(true), minutes(false)), (10, 1));
    }

    #[test]
    fn a_cache_serves_once_its_tree_has_a_place_and_until_it_is_being_deleted() {
        let mut cache = examples::cache();
        assert!(!is_usable(&cache));
        let place = Some(CachePlace { claim_name: "c".into(), sub_path: "r1".into() });
        cache.status = Some(ImageBuilderCacheStatus { place, ..Default::default() });
        assert!(is_usable(&cache));
        cache.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(!is_usable(&cache));
    }
}
