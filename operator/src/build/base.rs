//! The base of a build: the distribution and version whose ImageBuilder it uses. It is the parent of the
//! request's distribution, or this distribution itself.

use asu_core::{feeds::Place, plan::Feed};
use asu_crds::{Distribution, FirmwareBuild, cache_name};

use super::{fault::Fault, job::BadAttempt};
use crate::context::Context;

/// Distribution and version whose ImageBuilder a build uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Name of the distribution.
    pub distribution: String,
    /// Its name of the version.
    pub version: String,
}

impl Base {
    /// The base of a version of a distribution. Without its object, the distribution itself.
    pub fn of(object: Option<&Distribution>, distribution: &str, version: &str) -> Self {
        let own = (distribution, version);
        let (distribution, version) =
            object.map_or(own, |object| object.spec.base_of(distribution, version));
        Self { distribution: distribution.to_owned(), version: version.to_owned() }
    }

    /// Name of the cache of an ImageBuilder for `target`. Children share the caches of their parent.
    pub fn cache(&self, target: &str, sha256: &str) -> String {
        cache_name(&self.distribution, &self.version, target, sha256)
    }

    /// Name of the cache for the ImageBuilder in `spec.validated` of a build.
    pub fn frozen_cache(&self, build: &FirmwareBuild) -> Option<String> {
        let validated = build.spec.validated.as_ref()?;
        Some(self.cache(&build.spec.request.target, &validated.image_builder_sha256))
    }
}

/// The own feeds of a build's distribution, with the values of the placeholders.
///
/// # Errors
/// When the catalog cannot be read, does not offer the target, or a feed cannot be used.
pub async fn feeds(
    context: &Context,
    object: &Distribution,
    build: &FirmwareBuild,
    base: &Base,
) -> Result<Vec<Feed>, Fault> {
    if object.spec.feeds.is_empty() {
        return Ok(Vec::new());
    }
    let request = &build.spec.request;
    let (name, version) = (&base.distribution, &base.version);
    let found = context.catalogs.offered(context, name, version, &request.target).await?;
    let arch = found
        .as_ref()
        .and_then(|found| found.version(version))
        .and_then(|version| version.ready.get(request.target.as_str()))
        .map(|target| &target.arch)
        .ok_or(Fault::NoDistribution)?;
    let place = Place {
        version: &request.version,
        parent_version: &base.version,
        target: &request.target,
        arch,
    };
    let branch = object.spec.branch_of(&request.version).ok_or(Fault::NoDistribution)?;
    let feeds = object.spec.feeds_at(&branch.name, &place);
    feeds.map_err(|error| BadAttempt::from(error).into())
}
