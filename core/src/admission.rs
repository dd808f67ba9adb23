//! From what a client asked to what would be built: every check that needs the catalog, and nothing
//! that needs more.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Branch, Distribution, Target},
    digest::Sha256Hex,
    profile::{self, NoProfile},
    repositories,
    request::{self, DefaultsDigest, Filesystem, InvalidField, RepositoriesMode, Request},
    version,
};

/// A request as a client sent it, its fields of the right types and nothing more.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Asked {
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
    /// `packages_versions`.
    pub packages_versions: BTreeMap<String, String>,
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

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the first-boot script: it often holds passwords.
        f.debug_struct("Asked")
            .field("version", &self.version)
            .field("target", &self.target)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// What a request was validated with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Revision of the distribution's catalog.
    pub catalog_revision: i64,
    /// Revision of the target.
    pub version_code: String,
    /// Digest of the ImageBuilder's tarball.
    pub image_builder_sha256: Sha256Hex,
}

/// Why a request is refused. The texts are those that clients know (reference: `v1-api.md` §2.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field breaks its bounds.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// No first-boot scripts here.
    #[error("Handling `defaults` not enabled on server")]
    Defaults,
    /// A repository that is not on the list.
    #[error("Repository not allowed: {0}")]
    Repository(String),
    /// No branch of that version.
    #[error("Unsupported branch: {0}")]
    Branch(String),
    /// No such version.
    #[error("Unsupported version: {0}")]
    Version(String),
    /// No such target, or it cannot be built yet.
    #[error(
        "Unsupported target: {0}. The requested target was either dropped, is still being built or is not supported by the selected version. Please check the forums or try again later."
    )]
    Target(String),
    /// No profile of that name, or several.
    #[error(transparent)]
    Profile(#[from] NoProfile),
}

impl Refusal {
    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Field(_) => 422,
            _ => 400,
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The canonical form, whose hash finds builds that are known already. Where the profile could
    /// not be resolved it is the name as sent.
    pub request: Request,
    /// What a new build would be validated with, or why there may be none.
    pub verdict: Result<Basis, Refusal>,
}

/// Brings a request into its canonical form and checks it against what the distribution offers.
/// The form is there even when the verdict is a refusal, because a finished build is served even
/// when the same request would be refused by now.
///
/// # Errors
/// [`Refusal`] when there is no canonical form: a field breaks its bounds, or its profile is
/// claimed by several devices.
pub fn admit(asked: &Asked, distribution: &Distribution) -> Result<Admission, Refusal> {
    check_limits(asked, distribution)?;
    let request = canonical(asked, distribution);
    request::check(&request)?;
    let refused = |refusal| Ok(Admission { request: request.clone(), verdict: Err(refusal) });
    if let Some(refusal) = forbidden(&request, distribution) {
        return refused(refusal);
    }
    let target = match find_target(&request, distribution) {
        Ok(target) => target,
        Err(refusal) => return refused(refusal),
    };
    match profile::resolve(target, &request.profile) {
        Err(ambiguous @ NoProfile::Ambiguous { .. }) => Err(ambiguous.into()),
        Err(unknown) => refused(unknown.into()),
        Ok(found) => Ok(Admission {
            verdict: Ok(Basis {
                catalog_revision: distribution.revision,
                version_code: target.version_code.clone(),
                image_builder_sha256: target.image_builder.sha256.clone(),
            }),
            request: Request { profile: found.id.clone(), ..request },
        }),
    }
}

fn check_limits(asked: &Asked, distribution: &Distribution) -> Result<(), Refusal> {
    let offer = &distribution.offer;
    let most = offer.max_defaults_length;
    if asked.defaults.as_ref().is_some_and(|text| text.len() as u64 > u64::from(most)) {
        let problem = format!("at most {most} bytes are allowed");
        return Err(InvalidField { field: "defaults", problem }.into());
    }
    let most = offer.max_rootfs_size_mb;
    if asked.rootfs_size_mb.is_some_and(|size| size == 0 || size > most) {
        let problem = format!("must be from 1 to {most}");
        return Err(InvalidField { field: "rootfs_size_mb", problem }.into());
    }
    Ok(())
}

fn canonical(asked: &Asked, distribution: &Distribution) -> Request {
    let named = |list: &[String]| -> BTreeSet<String> {
        list.iter().filter(|name| !name.is_empty()).cloned().collect()
    };
    Request {
        distribution: distribution.name.clone(),
        version: asked.version.clone(),
        version_code: Some(asked.version_code.clone()),
        target: asked.target.clone(),
        profile: profile::spelled(&asked.profile),
        packages: named(&asked.packages),
        packages_versions: asked.packages_versions.clone(),
        diff_packages: asked.diff_packages,
        filesystem: asked.filesystem,
        rootfs_size_mb: asked.rootfs_size_mb,
        defaults: asked.defaults.as_deref().filter(|text| !text.is_empty()).map(digest),
        repositories: asked.repositories.clone(),
        repositories_mode: asked.repositories_mode,
        repository_keys: named(&asked.repository_keys),
    }
    .canonical()
}

fn digest(text: &str) -> DefaultsDigest {
    DefaultsDigest {
        sha256: Sha256Hex::of(text.as_bytes()),
        // Longer ones were refused before.
        length: u32::try_from(text.len()).unwrap_or(u32::MAX),
    }
}

fn forbidden(request: &Request, distribution: &Distribution) -> Option<Refusal> {
    let offer = &distribution.offer;
    if request.defaults.is_some() && !offer.allow_defaults {
        return Some(Refusal::Defaults);
    }
    let allowed = |url: &&String| !repositories::is_allowed(url, &offer.repository_allow_list);
    request.repositories.values().find(allowed).map(|url| Refusal::Repository(url.clone()))
}

fn find_target<'a>(request: &Request, from: &'a Distribution) -> Result<&'a Target, Refusal> {
    let is_branch = |name: &str| from.offer.branches.iter().any(|it: &Branch| it.name == name);
    let Some(found) = from.version(&request.version) else {
        let named = request.version.clone();
        return Err(match version::branch_of(&named, is_branch) {
            None => Refusal::Branch(named),
            Some(_) => Refusal::Version(named),
        });
    };
    found.ready.get(&request.target).ok_or_else(|| Refusal::Target(request.target.clone()))
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
