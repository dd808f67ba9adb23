//! Reads the package indexes of the feeds that a distribution adds to those of its parent.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{catalog::Version, catalog_documents::Feeds, feeds::Place};
use asu_crds::DistributionSpec;
use asu_upstream::read_own_feed;
use tokio_util::sync::CancellationToken;

use super::{documents_read::ArchFeeds, keep::DocumentKeeper, own_thread::on_its_own_thread};

/// Maximum number of indexes of one feed for one architecture: a URL may depend on the target.
const MAX_URLS: usize = 64;

/// Reads the own feeds of a branch for an architecture, through `version`, the newest of the branch. They
/// are returned together with those of the parent. `None` if the process is stopped meanwhile.
pub async fn read(
    spec: &DistributionSpec,
    version: &Version,
    parent_version: &str,
    arch: &str,
    of_parent: &Feeds,
    keeper: &DocumentKeeper,
    stop: &CancellationToken,
) -> Option<ArchFeeds> {
    let mut found = ArchFeeds { feeds: of_parent.clone(), ..ArchFeeds::default() };
    let mut listed: Vec<String> = of_parent.keys().cloned().collect();
    for (name, urls) in urls(spec, version, parent_version, arch) {
        for (number, url) in urls.into_iter().take(MAX_URLS).enumerate() {
            // Feeds whose URL depends on the target have an index for each target.
            let key = if number == 0 { name.clone() } else { format!("{name} {number}") };
            listed.push(key.clone());
            let (keeper, arch) = (keeper.clone(), arch.to_owned());
            let reading = on_its_own_thread(stop.clone(), async move || {
                read_own_feed(&url, &arch, &keeper).await
            });
            match reading.await?.and_then(|read| read.map_err(|error| error.to_string())) {
                Ok(digest) => {
                    found.feeds.insert(key, digest);
                }
                Err(problem) => {
                    found.problems.insert(key, problem);
                }
            }
        }
    }
    found.listed = Some(listed);
    Some(found)
}

/// URLs of each own feed. Malformed ones were refused before.
fn urls(
    spec: &DistributionSpec,
    version: &Version,
    parent_version: &str,
    arch: &str,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut urls: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for target in version.ready.values().filter(|target| target.arch == arch) {
        let (version_name, target) = (version.name.as_str(), target.name.as_str());
        let place = Place { version: version_name, parent_version, target, arch };
        for feed in spec.feeds_at(&version.branch, &place).unwrap_or_default() {
            urls.entry(feed.name).or_default().insert(feed.url);
        }
    }
    urls
}
