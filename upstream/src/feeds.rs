//! Reads the package indexes of the feeds of a branch for one architecture.
//!
//! All versions of a branch share its feeds, which can change at any time. Each index is requested with
//! the validator of the last reading. If the server has a signed list of the feeds, each index must have the
//! digest in it. Called by the operator's Distribution controller.

use std::collections::BTreeMap;

use asu_core::{catalog_documents::Feeds, digest::Digest};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::{
    client::Upstream,
    error::{ParseError, UpstreamError},
    feed_sums::{self, FeedSums},
    feeds_conf,
    indexes::{Folder, Source},
    keeper::{Keeper, keep_index},
    signed_sums::Trust,
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
    /// Whose signature of the list of feeds is required.
    pub trust: Trust,
    /// From the last [`FeedsRead`], to skip feeds that have not changed.
    pub memory: FeedsMemory,
}

/// The feeds read last time, with validators to check that they are still current.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedsMemory {
    path: String,
    sums: Option<FeedSums>,
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
    /// Whether the server has a signed list of the feeds, with which the indexes were verified.
    pub is_verified: bool,
    /// Errors by feed, also of feeds that could be read in part. An error of the list has the key
    /// `feeds.conf`, an error of the signed list `sha256sums`.
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
    let last = request.memory.sums.as_ref().filter(|_| request.memory.path == request.path);
    let sums = match feed_sums::read(upstream, &folder, &request.trust, last).await {
        Ok(sums) => sums,
        Err(error) => {
            read.problems.insert("sha256sums".to_owned(), error);
            read.listed = Some(listed);
            read.memory = request.memory.clone();
            return read;
        }
    };
    read.is_verified = sums.is_some();
    let results: Vec<_> = futures::stream::iter(&listed)
        .map(async |feed| {
            let one = Feed { request, folder: &folder, name: feed, sums: sums.as_ref() };
            (feed, one.read(upstream, keeper).await)
        })
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
    read.memory.sums = sums;
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

/// A feed to be read.
struct Feed<'a> {
    request: &'a FeedsRequest,
    folder: &'a str,
    name: &'a str,
    sums: Option<&'a FeedSums>,
}

impl Feed<'_> {
    async fn read(
        &self,
        upstream: &Upstream,
        keeper: &impl Keeper,
    ) -> Result<OneFeed, UpstreamError> {
        let known = self.known();
        let path = format!("{}/{}", self.folder, self.name);
        let folder = Folder { upstream, path, arch: &self.request.arch };
        let expected =
            |file: &str| self.sums.map(|sums| sums.digest_of(self.name, file)).transpose();
        let found = folder.read(expected, known.map(|(source, _)| source)).await?;
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

    /// What was read of the feed last time, if it was verified in the same way.
    fn known(&self) -> Option<&(Source, Digest)> {
        let memory = &self.request.memory;
        let was_verified = memory.sums.as_ref().is_some_and(|sums| sums.is_of(&self.request.trust));
        let is_same = memory.path == self.request.path && was_verified == self.sums.is_some();
        memory.feeds.get(self.name).filter(|_| is_same)
    }
}
