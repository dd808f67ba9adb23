//! Whether a FirmwareBuild agrees with itself and with the catalog: pure.

use asu_core::{
    catalog::{Distribution, Target},
    digest::Sha256Hex,
    repositories::is_allowed,
    request::Request,
    request_hash::{object_name, request_hash},
};
use asu_crds::{BadSpec, FirmwareBuild, Resolved, cache_name};
use kube::ResourceExt;

/// A build that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The canonical request.
    pub request: Request,
    /// Its hash.
    pub hash: Sha256Hex,
    /// What it was resolved to.
    pub resolved: Resolved,
}

/// Why a build is never built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field breaks its bounds.
    #[error(transparent)]
    Spec(#[from] BadSpec),
    /// The hash is not that of the request.
    #[error("spec.requestHash is not the hash of spec.request, which is {0}")]
    Hash(Sha256Hex),
    /// The name is not that of the hash.
    #[error("metadata.name must be {0}")]
    Name(String),
    /// There is no such distribution.
    #[error("spec.request.distribution: {0} is not offered")]
    Distribution(String),
    /// There is no such version.
    #[error("spec.request.version: {0} is not offered")]
    Version(String),
    /// There is no such target.
    #[error("spec.request.target: {0} is not offered")]
    Target(String),
    /// There is no such profile.
    #[error("spec.request.profile: {0} is no profile of the target")]
    Profile(String),
    /// The target has another revision by now.
    #[error("spec.request.versionCode: the target has {0}")]
    Revision(String),
    /// More than the distribution allows.
    #[error("spec.request.{0} exceeds what the distribution allows")]
    Limit(&'static str),
    /// A repository that the distribution does not allow.
    #[error("spec.request.repositories: {0} is not allowed")]
    Repository(String),
}

/// Whether the catalog is needed: a build that the API made says what it was validated with.
pub fn needs_catalog(build: &FirmwareBuild) -> bool {
    build.spec.validated.is_none()
}

/// Checks a whole FirmwareBuild. `offered` is its distribution in the catalog, when
/// [`needs_catalog`].
///
/// # Errors
/// Why it is never built.
pub fn validate(
    build: &FirmwareBuild,
    offered: Option<&Distribution>,
) -> Result<Accepted, Refused> {
    let (request, hash) = own(build)?;
    let (catalog_revision, version_code, image_builder) =
        if let Some(validated) = &build.spec.validated {
            let sha256 = validated.image_builder_sha256.clone();
            (validated.catalog_revision, validated.version_code.clone(), sha256)
        } else {
            let unknown = || Refused::Distribution(request.distribution.clone());
            let offered = offered.ok_or_else(unknown)?;
            let target = against_catalog(&request, offered)?;
            let sha256 = target.image_builder.sha256.to_string();
            (offered.revision, target.version_code.clone(), sha256)
        };
    let cache =
        cache_name(&request.distribution, &request.version, &request.target, &image_builder);
    let resolved = Resolved {
        catalog_revision,
        version_code,
        image_builder_sha256: image_builder,
        cache_name: cache,
        profile: request.profile.clone(),
    };
    Ok(Accepted { request, hash, resolved })
}

/// The request with its hash, which spec and name must agree with.
///
/// # Errors
/// Which of them does not.
pub fn own(build: &FirmwareBuild) -> Result<(Request, Sha256Hex), Refused> {
    let request = build.spec.request.to_request()?;
    let hash = request_hash(&request);
    if build.spec.request_hash != hash.as_str() {
        return Err(Refused::Hash(hash));
    }
    let name = object_name(&hash);
    if build.name_any() != name {
        return Err(Refused::Name(name));
    }
    Ok((request, hash))
}

fn against_catalog<'a>(
    request: &Request,
    offered: &'a Distribution,
) -> Result<&'a Target, Refused> {
    let version = offered
        .version(&request.version)
        .ok_or_else(|| Refused::Version(request.version.clone()))?;
    let target = version
        .ready
        .get(&request.target)
        .ok_or_else(|| Refused::Target(request.target.clone()))?;
    if !target.profiles.iter().any(|profile| profile.id == request.profile) {
        return Err(Refused::Profile(request.profile.clone()));
    }
    if request.version_code.as_ref().is_some_and(|code| *code != target.version_code) {
        return Err(Refused::Revision(target.version_code.clone()));
    }
    let offer = &offered.offer;
    let allowed = offer.max_defaults_length;
    let fits = |length: u32| offer.allow_defaults && length <= allowed;
    if request.defaults.as_ref().is_some_and(|defaults| !fits(defaults.length)) {
        return Err(Refused::Limit("defaults"));
    }
    if request.rootfs_size_mb.is_some_and(|size| size > offer.max_rootfs_size_mb) {
        return Err(Refused::Limit("rootfsSizeMb"));
    }
    let mut urls = request.repositories.values();
    match urls.find(|url| !is_allowed(url, &offer.repository_allow_list)) {
        Some(url) => Err(Refused::Repository(url.clone())),
        None => Ok(target),
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
