//! Parses the spec of a cache together with its Distribution: pure. Called by the controller before
//! anything is decided.

use asu_core::{
    digest::Digest,
    plan::{PLAN_SCHEMA, PopulatePlan},
};
use asu_crds::{CachePlace, Distribution, ImageBuilderCache, Signatures};
use kube::ResourceExt;

use crate::settings::{ClaimMode, Settings};

/// A valid cache, with everything that its Jobs need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// Claim and folder for a tree with the current builder image.
    pub place: CachePlace,
    /// Whether the operator creates the claim.
    pub own_claim: bool,
    /// Folder of all its trees on a shared claim; absent if the cache has its own claim.
    pub folder: Option<String>,
    /// Builder image that the tree at that place is warmed up with.
    pub builder_image: String,
    /// The plan of the populate pod; absent if the Distribution does not exist or no longer lists
    /// the version. An existing tree stays usable.
    pub plan: Option<PopulatePlan>,
}

/// Why no tree can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCache {
    /// The digest is malformed (the schema should not let it through).
    #[error("spec.sha256 is not a digest")]
    Digest,
    /// The object has no uid, so it does not come from the API server.
    #[error("the object has no uid")]
    NoUid,
}

/// Maximum number of entries of a tarball: the largest genuine ones have 120,000.
const MAX_ENTRIES: u64 = 500_000;
/// Maximum size of a tree, as a multiple of its tarball's size.
const MAX_RATIO: u64 = 12;

/// Validates a cache with its Distribution.
///
/// # Errors
/// When the object is invalid, which no retry can change.
pub fn validate(
    cache: &ImageBuilderCache,
    distribution: Option<&Distribution>,
    settings: &Settings,
) -> Result<Validated, BadCache> {
    let sha256: Digest = cache.spec.sha256.parse().map_err(|_| BadCache::Digest)?;
    let uid = cache.uid().ok_or(BadCache::NoUid)?;
    let name = cache.name_any();
    let tree = tree_id(&settings.pods.builder_image);
    let own_claim = settings.caches.cache_claim_mode == ClaimMode::PerCache;
    let (place, folder) = if own_claim {
        (CachePlace { claim_name: own_name(&name), sub_path: tree }, None)
    } else {
        let claim_name = settings.caches.cache_claim.clone();
        (CachePlace { claim_name, sub_path: format!("{name}/{tree}") }, Some(name))
    };
    let plan =
        distribution.and_then(|distribution| plan(cache, uid, sha256, distribution, settings));
    let builder_image = settings.pods.builder_image.clone();
    Ok(Validated { place, own_claim, folder, builder_image, plan })
}

/// Name of the folder of a tree. It depends on the builder image, so that another image gets a new
/// tree.
fn tree_id(builder_image: &str) -> String {
    let digest = Digest::of(builder_image.as_bytes());
    let short: String = digest.to_string().chars().take(12).collect();
    format!("tree-{short}")
}

fn plan(
    cache: &ImageBuilderCache,
    uid: String,
    sha256: Digest,
    distribution: &Distribution,
    settings: &Settings,
) -> Option<PopulatePlan> {
    let spec = &cache.spec;
    let branch = distribution.spec.branch_of(&spec.version)?;
    let upstream = distribution.spec.upstream.as_ref()?;
    let keys = match branch.signatures {
        Signatures::Required if branch.keys.is_empty() => return None,
        Signatures::Required => branch.keys.clone(),
        Signatures::NotChecked => Vec::new(),
    };
    let max_download = u64::from(distribution.spec.limits.max_image_builder_mb) << 20;
    Some(PopulatePlan {
        schema: PLAN_SCHEMA,
        uid,
        version: spec.version.clone(),
        target: spec.target.clone(),
        fetch_urls: upstream.fetch_urls.clone(),
        target_path: spec.target_path.clone(),
        keys,
        file: spec.file.clone(),
        sha256: sha256.into(),
        builder_image: settings.pods.builder_image.clone(),
        max_download_bytes: max_download,
        max_tree_bytes: max_download.saturating_mul(MAX_RATIO),
        max_entries: MAX_ENTRIES,
        seconds: settings.caches.populate_timeout.as_secs(),
    })
}
/// Name of a cache's own claim.
pub fn own_name(cache: &str) -> String {
    format!("ibc-{cache}")
}
