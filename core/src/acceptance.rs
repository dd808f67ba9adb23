//! From what a client asked to what would be built: every check that needs the catalog, and nothing
//! that needs more.

use std::collections::BTreeMap;

use crate::{
    catalog::Distribution,
    digest::Digest,
    names::ProfileId,
    offered::{self, Basis, Refusal},
    packages::apply_changes,
    profile::{self, NoProfile},
    request::{self, DefaultsDigest, Filesystem, InvalidField, RepositoriesMode, Request},
};

/// A request as a client sent it, its fields of the right types and nothing more.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RawRequest {
    /// `version`.
    pub version: String,
    /// `version_code`, empty when any will do.
    pub version_code: String,
    /// `target`.
    pub target: String,
    /// `profile`: an id, an alias or a board name.
    pub profile: String,
    /// `packages`.
    pub packages: Vec<String>,
    /// `packages_versions`, in the order sent.
    pub packages_versions: Vec<(String, String)>,
    /// `diff_packages`.
    pub diff_packages: bool,
    /// `filesystem`.
    pub filesystem: Option<Filesystem>,
    /// `rootfs_size_mb`.
    pub rootfs_size_mb: Option<u32>,
    /// `defaults`: the text itself, which goes nowhere but into its Secret.
    pub defaults: Option<String>,
    /// `repositories`.
    pub repositories: BTreeMap<String, String>,
    /// `repositories_mode`.
    pub repositories_mode: RepositoriesMode,
    /// `repository_keys`.
    pub repository_keys: Vec<String>,
}

impl std::fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the first-boot script: it often holds passwords.
        f.debug_struct("RawRequest")
            .field("version", &self.version)
            .field("target", &self.target)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The canonical form, whose hash finds builds that are known already. Where the profile could
    /// not be resolved it is the name as sent.
    pub request: Request,
    /// What a new build would be validated with, or why there may be none.
    pub verdict: Result<Basis, Refusal>,
    /// The same of a target that is not offered (any more), with the profile that its name means
    /// wherever the target is offered: by an alias, a build that is known is found like by the id.
    pub by_alias: Option<Request>,
}

/// Brings a request into its canonical form and checks it against what the distribution offers.
/// The form is there even when the verdict is a refusal, because a finished build is served even
/// when the same request would be refused by now.
///
/// # Errors
/// [`Refusal`] when there is no canonical form: a field breaks its bounds, or its profile is
/// claimed by several devices.
pub fn accept(asked: &RawRequest, distribution: &Distribution) -> Result<Acceptance, Refusal> {
    let request = canonical(asked, distribution)?;
    request::check(&request)?;
    offered::bounds(&request, &distribution.offer)?;
    let target = offered::target(&request, distribution);
    let revision = target.as_ref().map_or("", |target| target.version_code.as_str());
    let branch_off =
        offered::branch(&request, distribution).and_then(|branch| branch.branch_off_rev);
    let changes = &distribution.offer.package_changes;
    let mut request = apply_changes(request, changes, revision, branch_off);
    let mut by_alias = None;
    if let Ok(target) = target {
        match profile::resolve(target, request.profile.as_str()) {
            Ok(found) => request.profile.clone_from(&found.id),
            Err(ambiguous @ NoProfile::Ambiguous { .. }) => return Err(ambiguous.into()),
            // Told with everything else that is not offered.
            Err(NoProfile::Unknown(_)) => {}
        }
    } else if let Some(id) = meant_elsewhere(&request, distribution) {
        by_alias = Some(Request { profile: id.clone(), ..request.clone() });
    }
    let verdict = offered::basis(&request, distribution);
    Ok(Acceptance { request, verdict, by_alias })
}

/// The profile that a name stands for in the versions that offer the target. Nothing when they differ,
/// or when several devices claim it in any of them: a wrong device would be given the image.
fn meant_elsewhere<'a>(request: &Request, distribution: &'a Distribution) -> Option<&'a ProfileId> {
    let mut meant: Option<&ProfileId> = None;
    for version in &distribution.versions {
        let Some(target) = version.ready.get(&request.target) else { continue };
        match profile::resolve(target, request.profile.as_str()) {
            Ok(found) if meant.is_none_or(|id| *id == found.id) => meant = Some(&found.id),
            Err(NoProfile::Unknown(_)) => {}
            Ok(_) | Err(NoProfile::Ambiguous { .. }) => return None,
        }
    }
    meant.filter(|id| **id != request.profile)
}

fn canonical(asked: &RawRequest, distribution: &Distribution) -> Result<Request, InvalidField> {
    let versions = &asked.packages_versions;
    let keys = asked.repository_keys.iter().filter(|key| !key.is_empty());
    // Fields are parsed in this order, so the first malformed one is named.
    let request = Request {
        distribution: distribution.name.clone(),
        version: asked.version.clone(),
        version_code: Some(asked.version_code.clone()),
        target: request::target(&asked.target)?,
        profile: request::profile(&profile::spelled(&asked.profile))?,
        packages: if versions.is_empty() {
            request::packages(asked.packages.iter().filter(|name| !name.is_empty()))?
        } else {
            request::packages(versions.iter().map(|(name, _)| name))?
        },
        packages_versions: request::packages_versions(
            versions.iter().map(|(name, version)| (name, version)),
        )?,
        diff_packages: asked.diff_packages,
        filesystem: asked.filesystem,
        rootfs_size_mb: asked.rootfs_size_mb,
        defaults: asked.defaults.as_deref().filter(|text| !text.is_empty()).map(digest),
        repositories: asked.repositories.clone(),
        repositories_mode: asked.repositories_mode,
        repository_keys: keys.cloned().collect(),
    };
    Ok(request.canonical())
}

fn digest(text: &str) -> DefaultsDigest {
    DefaultsDigest {
        sha256: Digest::of(text.as_bytes()),
        // Longer ones are refused.
        length: u32::try_from(text.len()).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
#[path = "acceptance_tests.rs"]
pub(crate) mod tests;
