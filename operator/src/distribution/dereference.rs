//! Reads the versions of a spec from the download server, and finds the ready caches of the
//! distribution. Called by the controller.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use asu_core::{
    catalog::{Distribution, Version},
    names::TargetName,
};
use asu_crds::{ImageBuilderCache, labels};
use asu_store::{StoreError, model::Catalog};
use asu_upstream::{
    ClientOptions, FeedsMemory, FeedsRequest, Memory, ReadRequest, Upstream, UpstreamError,
    read_catalog, read_feeds,
};
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    documents_read::{ArchFeeds, DocumentsRead},
    keep::DocumentKeeper,
    own_thread::on_its_own_thread,
    recall::Recall,
    validate::{ValidBranch, Validated},
};
use crate::{cache::observe, context::Context};

/// The ready caches of a distribution, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadyCaches {
    /// All ready caches.
    pub all: BTreeSet<String>,
    /// Those of them that are pinned or that a build has used.
    pub wanted: BTreeSet<String>,
}

/// The ready caches of a distribution, without those that are being deleted.
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

/// State that the leader keeps in memory between readings: what was read of each version, to skip
/// what is unchanged, and when the next reading is due.
#[derive(Debug, Default)]
pub struct Memories(Mutex<Known>, Recall);

#[derive(Debug, Default)]
struct Known {
    versions: BTreeMap<(String, String), Memory>,
    /// By distribution, branch and architecture.
    feeds: BTreeMap<(String, String, String), FeedsMemory>,
    due: BTreeMap<String, Instant>,
    pauses: BTreeMap<String, Duration>,
    /// Revisions of the parents' catalogs that were read, by distribution.
    parents: BTreeMap<String, i64>,
}

/// Pause after an incomplete reading; it doubles with each further one.
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

    /// The catalog of the database, through the cache in `recall.rs`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn offered(&self, context: &Context) -> Result<Arc<Catalog>, StoreError> {
        self.1.catalog(context).await
    }

    /// Forgets a deleted distribution.
    pub fn forget(&self, distribution: &str) {
        self.forget_what_was_read(distribution);
        let mut known = self.lock();
        known.pauses.remove(distribution);
        known.parents.remove(distribution);
        known.due.remove(distribution);
    }
}

/// The result of reading one version.
#[derive(Debug)]
pub struct VersionRead {
    /// Name of its branch.
    pub branch: String,
    /// Name of the version.
    pub version: String,
    /// What the version offers, or why nothing could be read.
    pub read: Result<Version, String>,
    /// Why targets could not be read, by target.
    pub problems: BTreeMap<TargetName, String>,
    /// Problems of targets that could be read, for example with a mirror or a device, by target.
    pub faults: BTreeMap<TargetName, String>,
    /// The documents that were found.
    pub documents: DocumentsRead,
}

/// What the catalog offers before a reading.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// The last good catalog.
    pub last: Option<&'a Distribution>,
    /// Older revisions to which the catalog may go back, separated by blanks.
    pub accepted: &'a str,
}

impl Offered<'_> {
    /// Revisions that a version currently offers, by target.
    fn of(&self, version: &str) -> BTreeMap<TargetName, String> {
        let last = self.last.and_then(|last| last.version(version));
        let ready = last.into_iter().flat_map(|version| &version.ready);
        ready.map(|(name, target)| (name.clone(), target.version_code.clone())).collect()
    }
}

/// Reads the versions of each branch one after the other, the targets of a version concurrently, and
/// then the feeds of the branch. `None` if the process is stopped meanwhile.
pub async fn read(
    distribution: &str,
    spec: &Validated,
    offered: Offered<'_>,
    keeper: &DocumentKeeper,
    memories: &Memories,
    stop: &CancellationToken,
) -> Result<Option<Vec<VersionRead>>, UpstreamError> {
    let upstream = Upstream::new(spec.mirrors.clone(), ClientOptions::default())?;
    let from = (&upstream, keeper);
    let mut all = Vec::new();
    for branch in &spec.branches {
        let mut of_branch = Vec::new();
        for (version, path) in &branch.versions {
            let trust = match &branch.trust {
                Ok(trust) => trust.clone(),
                Err(problem) => {
                    of_branch.push(VersionRead::failed(branch, version, problem.clone()));
                    continue;
                }
            };
            let request = ReadRequest {
                version: version.clone(),
                branch: branch.name.clone(),
                path: path.clone(),
                snapshot: branch.rebuilds(version),
                targets: spec.targets.clone(),
                trust,
                offered: offered.of(version),
                accepted: offered.accepted.split_whitespace().map(str::to_owned).collect(),
                memory: memories.get(distribution, version),
            };
            let reading = read_version(distribution, branch, request, from, memories, stop);
            let Some(read) = reading.await else { return Ok(None) };
            of_branch.push(read);
        }
        let feeds = read_branch(distribution, branch, &mut of_branch, from, memories, stop);
        if feeds.await.is_none() {
            return Ok(None);
        }
        all.append(&mut of_branch);
    }
    Ok(Some(all))
}

async fn read_version(
    distribution: &str,
    branch: &ValidBranch,
    request: ReadRequest,
    from: (&Upstream, &DocumentKeeper),
    memories: &Memories,
    stop: &CancellationToken,
) -> Option<VersionRead> {
    let version = request.version.clone();
    let (upstream, keeper) = (from.0.clone(), from.1.clone());
    let reading = on_its_own_thread(stop.clone(), async move || {
        read_catalog(&upstream, &request, &keeper).await
    });
    let read = reading.await?.and_then(|read| read.map_err(|error| error.to_string()));
    Some(match read {
        Err(problem) => VersionRead::failed(branch, &version, problem),
        Ok(found) => {
            memories.put(distribution, &version, found.memory);
            VersionRead {
                branch: branch.name.clone(),
                version,
                problems: described(&found.problems),
                faults: described(&found.faults),
                read: Ok(found.version),
                documents: DocumentsRead {
                    targets: found.documents,
                    unread_packages: described(&found.unread_packages),
                    feeds: BTreeMap::new(),
                },
            }
        }
    })
}

/// Reads the feeds of a branch for each architecture that it offers. All versions of a branch share its
/// feeds, so they are read once, through the newest version that could be read, and stored in its
/// result. If no version could be read, no feed is read. `None` if the process is stopped meanwhile.
async fn read_branch(
    distribution: &str,
    branch: &ValidBranch,
    versions: &mut [VersionRead],
    from: (&Upstream, &DocumentKeeper),
    memories: &Memories,
    stop: &CancellationToken,
) -> Option<()> {
    let read = versions.iter().filter_map(|version| version.read.as_ref().ok());
    let arches: BTreeSet<String> =
        read.flat_map(|version| version.ready.values().map(|target| target.arch.clone())).collect();
    let newest = versions.iter_mut().find(|version| version.read.is_ok());
    let Some(newest) = newest else { return Some(()) };
    let path = newest.read.as_ref().map(|version| version.path.clone()).unwrap_or_default();
    for arch in arches {
        let memory = memories.feeds(distribution, &branch.name, &arch);
        let request = FeedsRequest { path: path.clone(), arch: arch.clone(), memory };
        let (upstream, keeper) = (from.0.clone(), from.1.clone());
        let reading = on_its_own_thread(stop.clone(), async move || {
            read_feeds(&upstream, &request, &keeper).await
        });
        let feeds = match reading.await? {
            Ok(read) => {
                memories.put_feeds(distribution, &branch.name, &arch, read.memory);
                let problems = described(&read.problems);
                ArchFeeds { listed: read.listed, feeds: read.feeds, problems }
            }
            Err(problem) => {
                let problems = [("feeds".to_owned(), problem)].into();
                ArchFeeds { problems, ..ArchFeeds::default() }
            }
        };
        newest.documents.feeds.insert(arch, feeds);
    }
    Some(())
}

impl VersionRead {
    fn failed(branch: &ValidBranch, version: &str, problem: String) -> Self {
        Self {
            branch: branch.name.clone(),
            version: version.to_owned(),
            read: Err(problem),
            problems: BTreeMap::new(),
            faults: BTreeMap::new(),
            documents: DocumentsRead::default(),
        }
    }
}

fn described<K: Clone + Ord>(errors: &BTreeMap<K, UpstreamError>) -> BTreeMap<K, String> {
    let hint = |error: &UpstreamError| match error {
        UpstreamError::OlderRevision { said, .. } => format!(
            "{error}; annotate the Distribution with {}={said} if that is meant",
            labels::ACCEPT_REVISIONS
        ),
        _ => error.to_string(),
    };
    errors.iter().map(|(name, error)| (name.clone(), hint(error))).collect()
}

#[cfg(test)]
mod tests {
    use asu_crds::{CachePlace, ImageBuilderCacheStatus, examples};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

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

    #[test]
    fn a_cache_is_usable_from_its_first_tree_until_its_deletion_begins() {
        let mut cache = examples::cache();
        assert!(!is_usable(&cache));
        let place = Some(CachePlace { claim_name: "c".into(), sub_path: "r1".into() });
        cache.status = Some(ImageBuilderCacheStatus { place, ..Default::default() });
        assert!(is_usable(&cache));
        cache.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(!is_usable(&cache));
    }
}
