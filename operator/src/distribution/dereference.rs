//! Reads the versions of a spec from the download server, and finds the ready caches of the
//! distribution. Called by the controller.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{
    catalog::{Distribution, Version},
    names::TargetName,
};
use asu_crds::{ImageBuilderCache, labels};
use asu_upstream::{
    ClientOptions, FeedsRequest, ReadRequest, Upstream, UpstreamError, read_catalog, read_feeds,
};
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    documents_read::{ArchFeeds, DocumentsRead},
    keep::DocumentKeeper,
    memories::Memories,
    own_thread::on_its_own_thread,
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
    pub fn of(&self, version: &str) -> BTreeMap<TargetName, String> {
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
            let trust = match branch.trust_of(version) {
                Ok(trust) => trust,
                Err(problem) => {
                    of_branch.push(VersionRead::failed(branch, version, problem));
                    continue;
                }
            };
            let request = ReadRequest {
                version: version.clone(),
                branch: branch.name.clone(),
                path: path.clone(),
                snapshot: branch.rebuilds(version),
                targets: spec.targets.clone(),
                excluded: spec.excluded.clone(),
                trust,
                offered: offered.of(version),
                accepted: offered.accepted.split_whitespace().map(str::to_owned).collect(),
                memory: memories.get(distribution, version),
                pool: memories.pool().clone(),
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
    // A version with malformed keys was not read.
    let Ok(trust) = branch.trust_of(&newest.version) else { return Some(()) };
    for arch in arches {
        let memory = memories.feeds(distribution, &branch.name, &arch);
        let request =
            FeedsRequest { path: path.clone(), arch: arch.clone(), trust: trust.clone(), memory };
        let (upstream, keeper) = (from.0.clone(), from.1.clone());
        let reading = on_its_own_thread(stop.clone(), async move || {
            read_feeds(&upstream, &request, &keeper).await
        });
        let feeds = match reading.await? {
            Ok(read) => {
                if !read.is_verified {
                    tracing::debug!(branch = branch.name, arch, "the feeds have no signed list");
                }
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

pub fn described<K: Clone + Ord>(errors: &BTreeMap<K, UpstreamError>) -> BTreeMap<K, String> {
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
