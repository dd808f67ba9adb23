//! Checks a FirmwareBuild for consistency and against the catalog: pure. Called once before a build
//! is accepted; [`own`] also before each Job and result.

use asu_core::{
    catalog::Distribution,
    digest::NotADigest,
    offered::{Basis, Refusal},
    offered::{Frozen, settle, target},
    request::Request,
    request_hash::{RequestHash, object_name, request_hash},
};
use asu_crds::{BadSpec, FirmwareBuild, Resolved, Validated};
use kube::ResourceExt;

use super::base::Base;

/// A build that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The canonical request.
    pub request: Request,
    /// Its hash.
    pub hash: RequestHash,
    /// What it was resolved to.
    pub resolved: Resolved,
}

/// Why a build is refused for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field breaks its bounds.
    #[error(transparent)]
    Spec(#[from] BadSpec),
    /// `spec.requestHash` does not match the request.
    #[error("spec.requestHash is not the hash of spec.request, which is {0}")]
    Hash(RequestHash),
    /// The name is not that of the hash.
    #[error("metadata.name must be {0}")]
    Name(String),
    /// No Distribution has that name.
    #[error("spec.request.distribution: {0} is not offered")]
    Distribution(String),
    /// The distribution does not offer or does not allow something of the request.
    #[error("spec.request: {0}")]
    Offer(#[from] Refusal),
    /// `spec.validated` is malformed.
    #[error("spec.validated.imageBuilderSha256: {0}")]
    Validated(#[from] NotADigest),
}

/// What a build is validated against.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// The distribution of the build: versions from the catalog, bounds from its object.
    pub distribution: Option<Distribution>,
    /// Whether a cache exists for the ImageBuilder in `spec.validated`.
    pub known: bool,
    /// Whose ImageBuilder is used; the request's distribution itself when absent.
    pub base: Option<Base>,
}

/// Checks a whole FirmwareBuild by the same rules as the API checks a POST.
///
/// # Errors
/// Why the build is refused for good.
pub fn validate(build: &FirmwareBuild, offered: &Offered) -> Result<Accepted, Refused> {
    let (request, hash) = own(build)?;
    let frozen = build.spec.validated.as_ref().map(basis).transpose()?;
    accept(request, hash, offered, frozen)
}

/// Checks a whole FirmwareBuild, with this validation data instead of its own.
///
/// # Errors
/// Why the build is refused for good.
pub fn validate_with(
    build: &FirmwareBuild,
    offered: &Offered,
    basis: Basis,
) -> Result<Resolved, Refused> {
    let (request, hash) = own(build)?;
    accept(request, hash, offered, Some(basis)).map(|accepted| accepted.resolved)
}

fn accept(
    request: Request,
    hash: RequestHash,
    offered: &Offered,
    frozen: Option<Basis>,
) -> Result<Accepted, Refused> {
    let basis = match (&offered.distribution, frozen) {
        (Some(distribution), frozen) => {
            // If the catalog does not offer the target, only an existing cache can be used.
            let gone = target(&request, distribution).is_err();
            let known = offered.known || gone;
            let frozen = frozen.as_ref().map(|basis| Frozen { basis, known });
            settle(&request, frozen, distribution)?
        }
        // The build then fails before it gets a pod, with a record that its client can read.
        (None, Some(frozen)) => frozen,
        (None, None) => return Err(Refused::Distribution(request.distribution)),
    };
    let image_builder_sha256 = basis.image_builder_sha256.to_string();
    let own = || Base::of(None, &request.distribution, &request.version);
    let base = offered.base.clone().unwrap_or_else(own);
    let resolved = Resolved {
        catalog_revision: basis.catalog_revision,
        version_code: basis.version_code,
        cache_name: base.cache(request.target.as_str(), &image_builder_sha256),
        image_builder_sha256,
        profile: request.profile.to_string(),
    };
    Ok(Accepted { request, hash, resolved })
}

fn basis(validated: &Validated) -> Result<Basis, NotADigest> {
    Ok(Basis {
        catalog_revision: validated.catalog_revision,
        version_code: validated.version_code.clone(),
        image_builder_sha256: validated.image_builder_sha256.parse()?,
    })
}

/// The canonical request and its hash, after checking `spec.requestHash` and the object's name.
///
/// # Errors
/// Which of them does not.
pub fn own(build: &FirmwareBuild) -> Result<(Request, RequestHash), Refused> {
    let request = build.spec.request.to_request()?;
    let hash = request_hash(&request);
    if build.spec.request_hash != hash.to_string() {
        return Err(Refused::Hash(hash));
    }
    let name = object_name(&hash);
    if build.name_any() != name {
        return Err(Refused::Name(name));
    }
    Ok((request, hash))
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
