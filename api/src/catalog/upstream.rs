//! Documents of upstream in the format for clients. A document is rendered at its first use from
//! documents in the database, and kept in memory by their digests. The digests come from the catalog in
//! memory, so the documents in memory are correct and can be sent even if the database is unavailable.

use std::sync::Arc;

use asu_core::{catalog_documents::Feeds, digest::Digest, package_index::PackageIndex};
use asu_store::PgStore;
use jiff::Timestamp;
use moka::{future::Cache, policy::EvictionPolicy};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{
    documents::JsonDocument,
    one_profile,
    schema::{ArchPackages, TargetPackages},
};
use crate::{
    budgets::{Budget, Budgets},
    error::{ApiError, CATALOG},
    held::held_or,
    iso::iso,
};

/// Maximum size of all rendered documents in memory, in bytes. The packages of an architecture have
/// about 400 KB.
const HELD: u64 = 64 << 20;

/// Memory of an entry in addition to its body, in bytes.
const OVERHEAD: usize = 512;

/// Maximum number of documents that are rendered at the same time: each needs several megabytes
/// meanwhile.
const RENDERED_AT_A_TIME: usize = 4;

/// The sources of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The index of a target's packages.
    Target(Digest),
    /// The indexes of feeds.
    Feeds(Vec<Digest>),
    /// The profiles of a target, and the id of one of them.
    Profile(Digest, String),
}

/// Renders documents and keeps them in memory.
pub struct UpstreamDocuments {
    held: Cache<Key, Arc<JsonDocument>>,
    database: PgStore,
    places: Arc<Semaphore>,
    rendering: Semaphore,
}

impl UpstreamDocuments {
    /// Uses this database. No document is in memory yet.
    pub fn new(database: PgStore, budgets: &Budgets) -> Self {
        let weight = |_: &Key, document: &Arc<JsonDocument>| {
            u32::try_from(document.len().saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
        };
        let held = Cache::builder()
            .weigher(weight)
            .max_capacity(HELD)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            held,
            database,
            places: budgets.semaphore(Budget::Document),
            rendering: Semaphore::new(RENDERED_AT_A_TIME),
        }
    }

    /// The packages of a target.
    ///
    /// # Errors
    /// If it is not in memory, and the database is unavailable or too many requests wait for it.
    pub async fn target_packages(&self, packages: Digest) -> Result<Arc<JsonDocument>, ApiError> {
        self.get(Key::Target(packages), async || {
            let bytes = read(&self.database, &packages).await?;
            on_its_own_thread(move || JsonDocument::of(&TargetPackages::of(&index(&bytes)?))).await
        })
        .await
    }

    /// The packages of all feeds.
    ///
    /// # Errors
    /// As [`Self::target_packages`].
    pub async fn arch_packages(&self, feeds: &Feeds) -> Result<Arc<JsonDocument>, ApiError> {
        let digests: Vec<Digest> = feeds.values().copied().collect();
        self.get(Key::Feeds(digests.clone()), async || {
            let mut all = Vec::new();
            for digest in &digests {
                all.push(read(&self.database, digest).await?);
            }
            on_its_own_thread(move || JsonDocument::of(&ArchPackages(merged(&all)?.versions())))
                .await
        })
        .await
    }

    /// A profile of a target whose `profiles.json` has this digest.
    ///
    /// # Errors
    /// As [`Self::target_packages`].
    pub async fn profile(
        &self,
        profiles: Digest,
        id: &str,
        built_at: i64,
    ) -> Result<Arc<JsonDocument>, ApiError> {
        self.get(Key::Profile(profiles, id.to_owned()), async || {
            let (bytes, id) = (read(&self.database, &profiles).await?, id.to_owned());
            on_its_own_thread(move || JsonDocument::of(&profile(&bytes, &id, built_at)?)).await
        })
        .await
    }

    /// Returns the document from memory, or renders it.
    async fn get(
        &self,
        key: Key,
        render: impl AsyncFnOnce() -> Result<JsonDocument, ApiError>,
    ) -> Result<Arc<JsonDocument>, ApiError> {
        held_or(&self.held, key, &self.places, async {
            let _turn = self.rendering.acquire().await.map_err(|_| ApiError::Internal)?;
            render().await.map(Arc::new)
        })
        .await
    }
}

/// Reads a document. A missing document belonged to a catalog that was replaced a moment ago.
pub(super) async fn read(database: &PgStore, digest: &Digest) -> Result<Vec<u8>, ApiError> {
    database.document(digest).await?.ok_or(ApiError::Away(CATALOG))
}

/// Renders outside the worker threads: the profiles of a target have up to a megabyte.
pub(super) async fn on_its_own_thread<T: Send + 'static>(
    render: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(render).await.map_err(|_| ApiError::Internal)?
}

pub(super) fn unreadable(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a document of the catalog cannot be read");
    ApiError::Internal
}

fn index(bytes: &[u8]) -> Result<PackageIndex, ApiError> {
    serde_json::from_slice(bytes).map_err(unreadable)
}

pub(super) fn merged(all: &[Vec<u8>]) -> Result<PackageIndex, ApiError> {
    let mut merged = PackageIndex::new("");
    for bytes in all {
        merged.merge(index(bytes)?).map_err(unreadable)?;
    }
    Ok(merged)
}

fn profile(bytes: &[u8], id: &str, built_at: i64) -> Result<Map<String, Value>, ApiError> {
    let found = one_profile::read(bytes, id).map_err(unreadable)?;
    let mut document = found.ok_or(ApiError::NotFound("no such profile"))?;
    let built_at = Timestamp::from_second(built_at).unwrap_or(Timestamp::UNIX_EPOCH);
    document.insert("id".to_owned(), id.into());
    document.insert("build_at".to_owned(), iso(built_at).into());
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_its_id_and_the_time_of_its_sources() {
        let text = br#"{"source_date_epoch":"1744562312","profiles":{"a":{}}}"#;
        let document = profile(text, "a", 1_744_562_312).unwrap();
        assert_eq!(
            serde_json::to_string(&document).unwrap(),
            r#"{"source_date_epoch":"1744562312","id":"a","build_at":"2025-04-13T16:38:32.000000Z"}"#
        );
        assert_eq!(profile(text, "c", 0).unwrap_err().status(), 404);
    }

    #[test]
    fn the_packages_of_feeds_are_one_flat_list() {
        let feed = |packages: &[(&str, &str)]| {
            let mut index = PackageIndex::new("x");
            for (name, version) in packages {
                let package = asu_core::package_index::Package::of_version(*version);
                index.add(name, package).unwrap();
            }
            serde_json::to_vec(&index).unwrap()
        };
        let all = [feed(&[("a", "1")]), feed(&[("b", "1"), ("a", "2")])];
        let merged = merged(&all).unwrap();
        let text = serde_json::to_string(&ArchPackages(merged.versions())).unwrap();
        assert_eq!(text, r#"{"a":"2","b":"1"}"#);
    }
}
