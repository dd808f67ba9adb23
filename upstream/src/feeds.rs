//! Reads the package indexes of the feeds of a branch for one architecture.
//!
//! All versions of a branch share its feeds, which can change at any time. Each index is requested with
//! the validator of the last reading. Signatures of these indexes are not checked here; a build checks
//! the signature of each index that it uses. Called by the operator's Distribution controller.

use std::collections::BTreeMap;

use asu_core::{catalog_documents::Feeds, digest::Digest};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::{
    client::Upstream,
    error::{ParseError, UpstreamError},
    feeds_conf,
    indexes::{Folder, Source},
    keeper::{Keeper, keep_index},
};

/// Number of feeds that are read concurrently.
const CONCURRENCY: usize = 8;

/// Parameters of [`read_feeds`].
#[derive(Clone, Debug)]
pub struct FeedsRequest {
    /// Folder of a version of the branch, for example `releases/24.10.7`.
    pub path: String,
    /// Package architecture.
    pub arch: String,
    /// From the last [`FeedsRead`], to skip feeds that have not changed.
    pub memory: FeedsMemory,
}

/// The feeds read last time, with validators to check that they are still current.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedsMemory {
    path: String,
    feeds: BTreeMap<String, (Source, Digest)>,
}

impl FeedsMemory {
    /// Forgets the feeds whose documents are not these.
    #[must_use]
    pub fn only(mut self, documents: Option<&Feeds>) -> Self {
        let is_known = |feed: &str, digest: &Digest| {
            documents.and_then(|documents| documents.get(feed)) == Some(digest)
        };
        self.feeds.retain(|feed, (_, digest)| is_known(feed, digest));
        self
    }
}

/// Result of [`read_feeds`].
#[derive(Debug, Default)]
pub struct FeedsRead {
    /// Names of all feeds; `None` if their list could not be read.
    pub listed: Option<Vec<String>>,
    /// Documents of the feeds that could be read, or are unchanged.
    pub feeds: Feeds,
    /// Errors by feed, also of feeds that could be read in part. An error of the list has the key
    /// `feeds.conf`.
    pub problems: BTreeMap<String, UpstreamError>,
    /// To be passed to the next [`FeedsRequest`].
    pub memory: FeedsMemory,
}

/// Reads the feeds. A feed that cannot be read does not affect the others.
pub async fn read_feeds(
    upstream: &Upstream,
    request: &FeedsRequest,
    keeper: &impl Keeper,
) -> FeedsRead {
    let folder = format!("{}/packages/{}", request.path, request.arch);
    let mut read = FeedsRead::default();
    read.memory.path.clone_from(&request.path);
    let listed = match list(upstream, &folder).await {
        Ok(listed) => listed,
        Err(error) => {
            read.problems.insert("feeds.conf".to_owned(), error);
            // No feed was requested, so the validators of the last reading stay valid.
            read.memory = request.memory.clone();
            return read;
        }
    };
    let results: Vec<_> = futures::stream::iter(&listed)
        .map(async |feed| (feed, read_feed(upstream, request, &folder, feed, keeper).await))
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    for (feed, result) in results {
        match result {
            Ok(OneFeed { digest, left_out, source }) => {
                read.feeds.insert(feed.clone(), digest);
                // If entries were left out, the feed is read again next time, so that they are reported
                // again.
                if let (Some(source), None) = (source, &left_out) {
                    read.memory.feeds.insert(feed.clone(), (source, digest));
                }
                read.problems.extend(left_out.map(|error| (feed.clone(), error)));
            }
            Err(error) => {
                read.problems.insert(feed.clone(), error);
            }
        }
    }
    read.listed = Some(listed);
    read
}

async fn list(upstream: &Upstream, folder: &str) -> Result<Vec<String>, UpstreamError> {
    let path = format!("{folder}/feeds.conf");
    let document = upstream.document(&path, feeds_conf::MAX_BYTES).await?;
    let listed = feeds_conf::parse(&document.bytes);
    let none = || ParseError::new("feeds.conf", "it names no feed");
    let listed = listed.and_then(|all| if all.is_empty() { Err(none()) } else { Ok(all) });
    listed.map_err(|error| error.at(&document.url))
}

struct OneFeed {
    digest: Digest,
    left_out: Option<UpstreamError>,
    source: Option<Source>,
}

async fn read_feed(
    upstream: &Upstream,
    request: &FeedsRequest,
    folder: &str,
    feed: &str,
    keeper: &impl Keeper,
) -> Result<OneFeed, UpstreamError> {
    let memory = &request.memory;
    let known = memory.feeds.get(feed).filter(|_| memory.path == request.path);
    let path = format!("{folder}/{feed}");
    let folder = Folder { upstream, path, arch: &request.arch };
    let found = folder.read(|_| Ok(None), known.map(|(source, _)| source)).await?;
    match (found, known) {
        (None, Some((source, digest))) => {
            Ok(OneFeed { digest: *digest, left_out: None, source: Some(source.clone()) })
        }
        (None, None) => Err(UpstreamError::NotFound { url: folder.path }),
        (Some(found), _) => {
            let digest = keep_index(keeper, &found.index).await?;
            Ok(OneFeed { digest, left_out: found.left_out, source: found.source })
        }
    }
}
