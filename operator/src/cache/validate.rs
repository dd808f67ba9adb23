//! Parses the spec of a cache together with its Distribution: pure. Called by the controller before
//! anything is decided.

use asu_core::{
    digest::Digest,
    plan::{PLAN_SCHEMA, PlanImage, PopulatePlan},
    quantity::Quantity,
};
use asu_crds::{CachePlace, Distribution, ImageBuilderCache, Signatures};
use kube::ResourceExt;

use crate::{
    runtime::refresh::asked,
    settings::{ClaimMode, Settings},
};

/// A valid cache, with everything that its Jobs need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// Claim and folder for a tree with the current builder image.
    pub place: CachePlace,
    /// Whether the operator creates the claim.
    pub own_claim: bool,
    /// Folder of all its trees on a shared claim; absent if the cache has its own claim.
    pub folder: Option<String>,
    /// Size of its next claim in bytes.
    pub claim_bytes: u64,
    /// Maximum size of its claim in bytes.
    pub max_claim_bytes: u64,
    /// Whether the cache is left as it is.
    pub suspended: bool,
    /// The value of the refresh annotation for which the tree at that place is made.
    pub refresh: Option<String>,
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
    // A removed annotation asks for nothing: the tree stays.
    let handled = cache.status.as_ref().and_then(|status| status.last_handled_refresh.clone());
    let refresh = asked(cache).or(handled);
    let tree = tree_id(&settings.pods.builder_image, refresh.as_deref());
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
    let grown = cache.status.as_ref().and_then(|status| status.claim_bytes);
    let grown = grown.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
    let size = bytes_of(&settings.caches.cache_size);
    Ok(Validated {
        place,
        own_claim,
        folder,
        claim_bytes: size.max(grown),
        max_claim_bytes: size.max(bytes_of(&settings.caches.cache_max_size)),
        suspended: cache.spec.suspend,
        refresh,
        builder_image,
        plan,
    })
}

/// The settings were checked when the process started.
fn bytes_of(quantity: &str) -> u64 {
    quantity.parse().map_or(0, Quantity::units)
}

/// Name of the folder of a tree. It depends on the builder image and on the value of the refresh
/// annotation, so that another image or another value gets a new tree beside the old one.
fn tree_id(builder_image: &str, refresh: Option<&str>) -> String {
    let text = [builder_image].into_iter().chain(refresh).collect::<Vec<_>>().join("\n");
    let digest = Digest::of(text.as_bytes());
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
        Signatures::Required => branch.keys_of(&spec.version).to_vec(),
        Signatures::NotChecked => Vec::new(),
    };
    // The plan of a distribution whose signatures are not checked has no keys.
    if keys.is_empty() && branch.signatures == Signatures::Required {
        return None;
    }
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
        image: image(cache, distribution),
    })
}

/// The OCI image that the ImageBuilder is copied from, if the Distribution says so.
fn image(cache: &ImageBuilderCache, distribution: &Distribution) -> Option<PlanImage> {
    let spec = &cache.spec;
    let target = spec.target.parse().ok()?;
    let (reference, image) = distribution.spec.image_of(&spec.version, &target)?;
    let pull_policy: &str = image.pull_policy.into();
    Some(PlanImage {
        reference,
        path: image.path.clone(),
        revision: spec.revision.clone(),
        pull_policy: pull_policy.to_owned(),
    })
}

/// Name of a cache's own claim.
pub fn own_name(cache: &str) -> String {
    format!("ibc-{cache}")
}

#[cfg(test)]
mod tests {
    use asu_crds::{ImageBuilderCacheStatus, examples, labels::REFRESH};

    use super::*;
    use crate::settings::parsed;

    fn tree(cache: &ImageBuilderCache) -> String {
        validate(cache, None, &parsed(&[])).unwrap().place.sub_path
    }

    #[test]
    fn a_tree_has_another_folder_for_each_value_of_the_refresh_annotation() {
        let mut cache = examples::cache();
        cache.metadata.uid = Some("u".into());
        let first = tree(&cache);
        cache.annotations_mut().insert(REFRESH.into(), "1".into());
        let second = tree(&cache);
        cache.annotations_mut().insert(REFRESH.into(), "2".into());
        let third = tree(&cache);
        assert!(first != second && second != third && first != third);
        // The handled value is kept when the annotation is removed.
        cache.annotations_mut().clear();
        let last_handled_refresh = Some("2".into());
        cache.status = Some(ImageBuilderCacheStatus { last_handled_refresh, ..Default::default() });
        assert_eq!(tree(&cache), third);
    }
}
