//! Checks whether a distribution offers what a canonical request needs. The rules are the same for
//! requests by POST (called by `acceptance`) and for all FirmwareBuilds, which users can also create by
//! hand (called by the operator).

use crate::{
    catalog::{Branch, Distribution, Offer, TarballDigest, Target},
    names::TargetName,
    packages::revision_number,
    profile::NoProfile,
    repositories,
    request::{InvalidField, Request},
    version,
};

/// What a request was validated with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Revision of the distribution's catalog.
    pub catalog_revision: i64,
    /// Revision of the target.
    pub version_code: String,
    /// Digest of the ImageBuilder's tarball.
    pub image_builder_sha256: TarballDigest,
}

/// Why a request is refused. The texts are for objects and logs; the API has its own texts for clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field exceeds its limits.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// The distribution allows no first-boot scripts.
    #[error("the distribution allows no first-boot scripts")]
    Defaults,
    /// The URL of a repository is not at or below an allowed URL.
    #[error("the repository {0} is not allowed")]
    Repository(String),
    /// No branch has the version.
    #[error("no branch has the version {0}")]
    Branch(String),
    /// The branch does not offer the version.
    #[error("the version {0} is not offered")]
    Version(String),
    /// The version does not offer the target, or the target could not be read yet.
    #[error("the target {0} is not offered, or its files are not there yet")]
    Target(TargetName),
    /// No profile has the name, or several do.
    #[error(transparent)]
    Profile(#[from] NoProfile),
    /// The target has another revision, and will not get the requested one.
    #[error("version_code: the target has the revision {offered}, not {asked}")]
    Revision {
        /// Revision of the target.
        offered: String,
        /// Requested revision.
        asked: String,
    },
    /// The requested revision is not older than that of the target, and upstream rebuilds the version:
    /// upstream may have it, although it was not read yet.
    #[error("version_code: the target has the revision {offered}, and {asked} was not read yet")]
    NotReadYet {
        /// Revision of the target.
        offered: String,
        /// Requested revision.
        asked: String,
    },
}

impl Refusal {
    /// Whether the request can be accepted after upstream was read again.
    pub fn may_be_read_later(&self) -> bool {
        matches!(self, Self::NotReadYet { .. })
    }

    /// The field that is refused, as clients name it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Field(invalid) => invalid.field,
            Self::Defaults => "defaults",
            Self::Repository(_) => "repositories",
            Self::Branch(_) | Self::Version(_) => "version",
            Self::Target(_) => "target",
            Self::Profile(_) => "profile",
            Self::Revision { .. } | Self::NotReadYet { .. } => "version_code",
        }
    }
}

/// The validation data in a FirmwareBuild, and whether something else confirms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen<'a> {
    /// The validation data of the object.
    pub basis: &'a Basis,
    /// Whether there is a cache of exactly this ImageBuilder. Caches are created only from the catalog,
    /// and filled only with what upstream signed.
    pub known: bool,
}

/// Decides what a build of `request` is made with. The validation data of the object is used if the
/// catalog offers it, or if a cache confirms that it was offered. Otherwise the request is validated
/// with the current catalog. The limits apply in all cases.
///
/// # Errors
/// Why the request is refused.
pub fn settle(
    request: &Request,
    frozen: Option<Frozen<'_>>,
    distribution: &Distribution,
) -> Result<Basis, Refusal> {
    let Some(frozen) = frozen else { return basis(request, distribution) };
    let now = target(request, distribution);
    let same = |target: &&Target| {
        target.version_code == frozen.basis.version_code
            && target.image_builder.sha256 == frozen.basis.image_builder_sha256
    };
    if now.as_ref().is_ok_and(same) {
        let basis = basis(request, distribution)?;
        let catalog_revision = frozen.basis.catalog_revision.min(basis.catalog_revision);
        return Ok(Basis { catalog_revision, ..basis });
    }
    if !frozen.known {
        return basis(request, distribution);
    }
    allowed(request, &distribution.offer)?;
    if let Ok(target) = now {
        profile(request, target)?;
    }
    revision(request, &frozen.basis.version_code, false)?;
    Ok(frozen.basis.clone())
}

/// What a new build of `request` would be validated with.
///
/// # Errors
/// Why it is refused.
pub fn basis(request: &Request, distribution: &Distribution) -> Result<Basis, Refusal> {
    allowed(request, &distribution.offer)?;
    let target = target(request, distribution)?;
    profile(request, target)?;
    let rebuilt = distribution.version(&request.version).is_some_and(|version| version.snapshot);
    revision(request, &target.version_code, rebuilt)?;
    Ok(Basis {
        catalog_revision: distribution.revision,
        version_code: target.version_code.clone(),
        image_builder_sha256: target.image_builder.sha256,
    })
}

/// Checks the limits of an offer, and whether it allows the first-boot script and the repositories of a
/// request. The validation data of the request does not matter.
///
/// # Errors
/// The first thing that is not allowed.
pub fn allowed(request: &Request, offer: &Offer) -> Result<(), Refusal> {
    bounds(request, offer)?;
    if request.defaults.is_some() && !offer.allow_defaults {
        return Err(Refusal::Defaults);
    }
    let refused = |url: &&String| !repositories::is_allowed(url, &offer.repository_allow_list);
    match request.repositories.values().find(refused) {
        Some(url) => Err(Refusal::Repository(url.clone())),
        None => Ok(()),
    }
}

/// Checks the limits of an offer.
///
/// # Errors
/// The first field that exceeds one.
pub fn bounds(request: &Request, offer: &Offer) -> Result<(), Refusal> {
    let most = offer.max_defaults_length;
    if request.defaults.as_ref().is_some_and(|script| script.length > most) {
        let problem = format!("at most {most} bytes are allowed");
        return Err(InvalidField { field: "defaults", problem }.into());
    }
    let most = offer.max_rootfs_size_mb;
    if request.rootfs_size_mb.is_some_and(|size| size == 0 || size > most) {
        let problem = format!("must be from 1 to {most}");
        return Err(InvalidField { field: "rootfs_size_mb", problem }.into());
    }
    Ok(())
}

/// Finds the target of a request.
///
/// # Errors
/// If the target, its version or its branch is not offered.
pub fn target<'a>(request: &Request, from: &'a Distribution) -> Result<&'a Target, Refusal> {
    let named = &request.version;
    let Some(found) = from.version(named) else {
        return Err(match branch(request, from) {
            None => Refusal::Branch(named.clone()),
            Some(_) => Refusal::Version(named.clone()),
        });
    };
    found.ready.get(&request.target).ok_or_else(|| Refusal::Target(request.target.clone()))
}

/// Finds the branch of a request's version, even if the version is not offered.
pub fn branch<'a>(request: &Request, from: &'a Distribution) -> Option<&'a Branch> {
    let branches = &from.offer.branches;
    let version = &request.version;
    let listed = branches.iter().find(|branch| branch.versions.contains(version));
    listed.or_else(|| {
        let named =
            version::branch_of(version, |name| branches.iter().any(|branch| branch.name == name))?;
        branches.iter().find(|branch| branch.name == named)
    })
}

fn profile(request: &Request, target: &Target) -> Result<(), Refusal> {
    if target.profiles.iter().any(|profile| profile.id == request.profile) {
        return Ok(());
    }
    Err(NoProfile::Unknown(request.profile.to_string()).into())
}

/// Compares the requested revision with that of the target. `rebuilt` is whether upstream rebuilds the
/// version under the same name.
fn revision(request: &Request, offered: &str, rebuilt: bool) -> Result<(), Refusal> {
    let Some(asked) = request.version_code.as_ref().filter(|asked| *asked != offered) else {
        return Ok(());
    };
    let (offered, asked) = (offered.to_owned(), asked.clone());
    if rebuilt && may_follow(&asked, &offered) {
        return Err(Refusal::NotReadYet { offered, asked });
    }
    Err(Refusal::Revision { offered, asked })
}

/// Whether a revision can be a later one than `offered`. Revisions count the commits of a branch. Those
/// with equal numbers differ in local commits, whose order is unknown.
fn may_follow(asked: &str, offered: &str) -> bool {
    match (revision_number(asked), revision_number(offered)) {
        (None, _) => false,
        (Some(asked), Some(offered)) => asked >= offered,
        (Some(_), None) => true,
    }
}

#[cfg(test)]
#[path = "offered_tests.rs"]
mod tests;
