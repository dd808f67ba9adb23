//! Accepts requests: converts a request to its canonical form and checks it against the catalog,
//! without I/O. Called by the API for each POST.

use std::collections::BTreeMap;

use crate::{
    board_rename,
    catalog::Distribution,
    digest::Digest,
    names::{ProfileId, spelled},
    offered::{self, Basis, Refusal},
    package_changes::apply_changes,
    profile::{self, NoProfile},
    request::{self, DefaultsDigest, Filesystem, InvalidField, RepositoriesMode, Request},
};

/// A raw request: the fields as the client sent them. Only their types have been checked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RawRequest {
    /// `version`.
    pub version: String,
    /// `version_code`, empty if the client accepts any revision.
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
    /// `defaults`: the text of the first-boot script. It must be stored only in its Secret.
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
        // Without the first-boot script, which often contains passwords.
        f.debug_struct("RawRequest")
            .field("version", &self.version)
            .field("target", &self.target)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Result of [`accept`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The canonical form, whose hash identifies known builds. If the profile could not be resolved, it
    /// contains the requested name.
    pub request: Request,
    /// What a new build would be validated with, or why it is refused.
    pub verdict: Result<Basis, Refusal>,
    /// If the requested version does not offer the target (any more): the same request with the profile
    /// that has the name as an alias in the versions that offer the target. With it, a known build is
    /// found by the alias as well as by the id.
    pub by_alias: Option<Request>,
}

/// Converts a request to its canonical form and checks it against what the distribution offers. A
/// refused request has a canonical form too, because a finished build is served even if its request
/// would be refused now.
///
/// # Errors
/// [`Refusal`] if there is no canonical form: a field exceeds its limits, or several profiles have the
/// name as an alias.
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
        let renamed = renamed(&request, distribution);
        match profile::resolve(target, request.profile.as_str(), renamed) {
            Ok(found) => request.profile.clone_from(&found.id),
            Err(ambiguous @ NoProfile::Ambiguous { .. }) => return Err(ambiguous.into()),
            // The verdict reports it like everything else that is not offered.
            Err(NoProfile::Unknown(_)) => {}
        }
    } else if let Some(id) = meant_elsewhere(&request, distribution) {
        by_alias = Some(Request { profile: id.clone(), ..request.clone() });
    }
    let verdict = offered::basis(&request, distribution);
    Ok(Acceptance { request, verdict, by_alias })
}

/// The profile to which the name resolves in the versions that offer the target. `None` if it resolves
/// to different profiles, or is ambiguous in one version: the image could be for another device.
fn meant_elsewhere<'a>(request: &Request, distribution: &'a Distribution) -> Option<&'a ProfileId> {
    let mut meant: Option<&ProfileId> = None;
    for version in &distribution.versions {
        let Some(target) = version.ready.get(&request.target) else { continue };
        let renamed = renamed(request, distribution);
        match profile::resolve(target, request.profile.as_str(), renamed) {
            Ok(found) if meant.is_none_or(|id| *id == found.id) => meant = Some(&found.id),
            Err(NoProfile::Unknown(_)) => {}
            Ok(_) | Err(NoProfile::Ambiguous { .. }) => return None,
        }
    }
    meant.filter(|id| **id != request.profile)
}

fn renamed<'a>(request: &Request, distribution: &'a Distribution) -> Option<&'a str> {
    let renames = &distribution.offer.board_renames;
    board_rename::meant(renames, request.profile.as_str(), &request.version)
}

fn canonical(asked: &RawRequest, distribution: &Distribution) -> Result<Request, InvalidField> {
    let versions = &asked.packages_versions;
    let keys = asked.repository_keys.iter().filter(|key| !key.is_empty());
    // Fields are parsed in this order, and the error names the first malformed one.
    let request = Request {
        distribution: distribution.name.clone(),
        version: asked.version.clone(),
        version_code: Some(asked.version_code.clone()),
        target: request::target(&asked.target)?,
        profile: request::profile(&spelled(&asked.profile))?,
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
