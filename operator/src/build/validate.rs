//! Whether a FirmwareBuild agrees with itself and with the catalog: pure.

use asu_core::{
    catalog::Distribution,
    digest::NotADigest,
    offered::{Basis, Refusal},
    offered::{Frozen, settle, target},
    request::Request,
    request_hash::{RequestHash, object_name, request_hash},
};
use asu_crds::{BadSpec, FirmwareBuild, Resolved, Validated, cache_name};
use kube::ResourceExt;

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

/// Why a build is never built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field breaks its bounds.
    #[error(transparent)]
    Spec(#[from] BadSpec),
    /// The hash is not that of the request.
    #[error("spec.requestHash is not the hash of spec.request, which is {0}")]
    Hash(RequestHash),
    /// The name is not that of the hash.
    #[error("metadata.name must be {0}")]
    Name(String),
    /// There is no such distribution.
    #[error("spec.request.distribution: {0} is not offered")]
    Distribution(String),
    /// The distribution does not offer or allow it.
    #[error("spec.request: {0}")]
    Offer(#[from] Refusal),
    /// What it says that it was validated with is malformed.
    #[error("spec.validated.imageBuilderSha256: {0}")]
    Validated(#[from] NotADigest),
}

/// What the system has to judge a build by.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// Its distribution: what the catalog offers, and the bounds that its object sets.
    pub distribution: Option<Distribution>,
    /// Whether there is a cache of the ImageBuilder that the build says it was validated with.
    pub known: bool,
}

/// Checks a whole FirmwareBuild by the rules that a POST meets.
///
/// # Errors
/// Why it is never built.
pub fn validate(build: &FirmwareBuild, offered: &Offered) -> Result<Accepted, Refused> {
    let (request, hash) = own(build)?;
    let frozen = build.spec.validated.as_ref().map(basis).transpose()?;
    let basis = match (&offered.distribution, frozen) {
        (Some(distribution), frozen) => {
            // Of what the catalog has not, nothing but a cache that is there already can be used.
            let gone = target(&request, distribution).is_err();
            let known = offered.known || gone;
            let frozen = frozen.as_ref().map(|basis| Frozen { basis, known });
            settle(&request, frozen, distribution)?
        }
        // It ends before it gets a pod, with a record for who asked.
        (None, Some(frozen)) => frozen,
        (None, None) => return Err(Refused::Distribution(request.distribution)),
    };
    let image_builder_sha256 = basis.image_builder_sha256.to_string();
    let resolved = Resolved {
        catalog_revision: basis.catalog_revision,
        version_code: basis.version_code,
        cache_name: cache_name(
            &request.distribution,
            &request.version,
            &request.target,
            &image_builder_sha256,
        ),
        image_builder_sha256,
        profile: request.profile.clone(),
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

/// Name of the cache of the ImageBuilder that a build says it was validated with.
pub fn frozen_cache(build: &FirmwareBuild) -> Option<String> {
    let (request, validated) = (&build.spec.request, build.spec.validated.as_ref()?);
    let digest = &validated.image_builder_sha256;
    Some(cache_name(&request.distribution, &request.version, &request.target, digest))
}

/// The request with its hash, which spec and name must agree with.
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
