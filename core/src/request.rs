//! The canonical request, from which an image is built, and the limits of its fields. Used by the API,
//! the operator and the builder.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    names::{BadName, MAX_PACKAGE_NAME, PackageSpec, ProfileId, TargetName},
    repositories::{self, RepositoryUrl},
    repository_keys::RepositoryKey,
    text::is_word,
};

/// Maximum number of packages of a request. The largest lists that clients send have about 400 names.
pub const MAX_PACKAGES: usize = 1000;
/// Maximum size of all package names together in bytes, including the blanks between them. make passes
/// the list to shells in one argument, which Linux limits to 128 KiB.
pub const MAX_PACKAGE_NAMES: usize = 64 << 10;
/// Maximum number of third-party repositories of a request.
pub const MAX_REPOSITORIES: usize = 16;

/// Maximum number of repository keys of a request.
pub const MAX_REPOSITORY_KEYS: usize = 16;
/// Maximum length of a repository key in bytes: a PEM public key has fewer than 300.
pub const MAX_REPOSITORY_KEY: usize = 2048;
/// Maximum size of a request as JSON in bytes. The pod reads it from an annotation, and Kubernetes
/// limits all annotations of a pod to 256 KiB.
pub const MAX_REQUEST: usize = 160 << 10;

/// Root file systems that a client may request: those of OpenWrt's public server.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are OpenWrt's own")]
pub enum Filesystem {
    Squashfs,
    Ext4,
    Ubifs,
    Erofs,
    Jffs2,
    Jffs2Nand,
    Targz,
    Cpiogz,
}

impl Filesystem {
    /// Every file system, in the order in which errors list them.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// OpenWrt's name for it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The file system of that name.
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// Whether the repositories of a request are added to those of the ImageBuilder or replace them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum RepositoriesMode {
    /// They are added.
    Append,
    /// They replace the remote repositories. The local package folder stays in use.
    #[default]
    Replace,
}

impl RepositoriesMode {
    /// The word that clients use.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Digest and length of a first-boot script, whose text is only in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultsDigest {
    /// SHA-256 of the script's bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u32,
}

/// One request in canonical form: aliases resolved, lists without duplicates.
///
/// The field `client` is not part of it, because it does not affect the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Name of the Distribution object (`distro` of the APIs).
    pub distribution: String,
    /// Version, for example `24.10.7` or `SNAPSHOT`.
    pub version: String,
    /// Revision that the client requires, for example `r29197-ab4c7d6af7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// Target.
    pub target: TargetName,
    /// Id of the profile, or the requested name if it could not be resolved.
    pub profile: ProfileId,
    /// Packages to add or remove, without duplicates, in the order of the client. The order decides
    /// which of two providers the package manager installs.
    #[serde(default)]
    pub packages: Vec<PackageSpec>,
    /// Packages with the versions that the client requires. If not empty, `packages` of a canonical
    /// request contains exactly their names, in the order of the client. In a plan, `packages` may also
    /// contain names that package edits added, of any version.
    #[serde(default)]
    pub packages_versions: BTreeMap<PackageSpec, String>,
    /// Whether the list is complete: default packages that it does not contain are removed.
    #[serde(default)]
    pub diff_packages: bool,
    /// The only root file system to build. Without it, all file systems of the profile are built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<Filesystem>,
    /// Size of the root partition in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs_size_mb: Option<u32>,
    /// Private first-boot script, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<DefaultsDigest>,
    /// Third-party repositories by name.
    #[serde(default)]
    pub repositories: BTreeMap<String, String>,
    /// See [`RepositoriesMode`].
    #[serde(default)]
    pub repositories_mode: RepositoriesMode,
    /// Public keys of third-party repositories, sorted.
    #[serde(default)]
    pub repository_keys: BTreeSet<String>,
}

impl Request {
    /// Packages with the versions that the client requires. If not empty, `packages` of a canonical
    /// request contains exactly their names, in the order of the client. In a plan, `packages` may also
    /// contain names that package edits added, of any version.
    pub fn requested_packages(&self) -> Vec<&PackageSpec> {
        let mut seen = BTreeSet::new();
        let all = self.packages.iter().chain(self.packages_versions.keys());
        all.filter(|package| seen.insert(*package)).collect()
    }

    /// Gives equivalent requests the same form: names without a version are dropped if there are
    /// versions, a mode without repositories becomes the default, URLs and keys get their canonical
    /// spelling. Malformed values do not change, so that [`check`] refuses them.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.version_code = self.version_code.filter(|code| !code.is_empty());
        let versions = &self.packages_versions;
        self.packages.retain(|package| versions.is_empty() || versions.contains_key(package));
        self.packages = self.requested_packages().into_iter().cloned().collect();
        for url in self.repositories.values_mut() {
            if let Ok(parsed) = RepositoryUrl::parse(url) {
                *url = parsed.to_string();
            }
        }
        self.repository_keys = self.repository_keys.iter().map(|key| spelled(key)).collect();
        if self.repositories.is_empty() {
            self.repositories_mode = RepositoriesMode::default();
        }
        self
    }
}

/// Why a field of a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// The field as clients name it.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub problem: String,
}

fn invalid(field: &'static str, problem: impl Into<String>) -> InvalidField {
    InvalidField { field, problem: problem.into() }
}

/// Whether `text` is a version or branch: `[A-Za-z0-9_.-]`, not beginning with a dot.
pub fn is_version(text: &str) -> bool {
    is_word(text, 64, ".-") && !text.starts_with(['.', '-']) && !text.contains("..")
}

/// Whether `text` is a revision, for example `r29197-ab4c7d6af7`, or `r29197+2-ab4c7d6af7` for a tree
/// with local commits.
pub fn is_revision(text: &str) -> bool {
    is_word(text, 64, ".-+") && !text.starts_with(['.', '-', '+']) && !text.contains("..")
}

/// Whether `text` is a package version: `[A-Za-z0-9_+.,~-]`.
pub fn is_package_version(text: &str) -> bool {
    is_word(text, 128, "+.,~-")
}

/// Parses a target.
///
/// # Errors
/// When it is malformed.
pub fn target(text: &str) -> Result<TargetName, InvalidField> {
    text.parse().map_err(|_: BadName| invalid("target", "must look like target/subtarget"))
}

/// Parses a profile id, or an alias in the spelling of the catalog.
///
/// # Errors
/// When it is malformed.
pub fn profile(text: &str) -> Result<ProfileId, InvalidField> {
    let allowed = "letters, digits, '_', '.', '-', ','; at most 128";
    text.parse().map_err(|_: BadName| invalid("profile", allowed))
}

/// Parses packages, in their order.
///
/// # Errors
/// When one is malformed. [`check`] limits their number.
pub fn packages<'a>(
    listed: impl IntoIterator<Item = &'a String>,
) -> Result<Vec<PackageSpec>, InvalidField> {
    listed.into_iter().map(|name| package(name)).collect()
}

/// Parses packages with the versions that a client requires.
///
/// # Errors
/// When a name or a version is malformed.
pub fn packages_versions<'a>(
    listed: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<BTreeMap<PackageSpec, String>, InvalidField> {
    let parsed = listed.into_iter().map(|(name, version)| {
        let package = package(name)?;
        if is_package_version(version) {
            return Ok((package, version.clone()));
        }
        Err(invalid("packages_versions", format!("the version of {package} is malformed")))
    });
    parsed.collect()
}

fn package(name: &str) -> Result<PackageSpec, InvalidField> {
    // In the custom resources, the maximum length of a removal includes its minus.
    let parsed = name.parse().ok().filter(|_| name.len() <= MAX_PACKAGE_NAME);
    parsed.ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        invalid("packages", format!("{shown:?} is not a package name"))
    })
}

fn check_packages(request: &Request) -> Result<(), InvalidField> {
    let names = request.requested_packages();
    if names.len() > MAX_PACKAGES {
        return Err(invalid("packages", format!("at most {MAX_PACKAGES} packages are allowed")));
    }
    let bytes = names.iter().map(|name| name.as_str().len().saturating_add(1)).sum::<usize>();
    if bytes > MAX_PACKAGE_NAMES {
        let problem = format!("all names together may have {MAX_PACKAGE_NAMES} bytes");
        return Err(invalid("packages", problem));
    }
    Ok(())
}

fn check_repositories(request: &Request) -> Result<(), InvalidField> {
    if request.repositories.len() > MAX_REPOSITORIES {
        return Err(invalid("repositories", format!("at most {MAX_REPOSITORIES} are allowed")));
    }
    for (name, url) in &request.repositories {
        repositories::check_name(name, &request.distribution)
            .map_err(|problem| invalid("repositories", problem.to_string()))?;
        RepositoryUrl::parse(url)
            .map_err(|problem| invalid("repositories", problem.to_string()))?;
    }
    check_keys(request)
}

fn check_keys(request: &Request) -> Result<(), InvalidField> {
    let refused = |problem: String| Err(invalid("repository_keys", problem));
    let keys = &request.repository_keys;
    if keys.len() > MAX_REPOSITORY_KEYS || keys.iter().any(|key| key.len() > MAX_REPOSITORY_KEY) {
        return refused(format!(
            "at most {MAX_REPOSITORY_KEYS} keys of {MAX_REPOSITORY_KEY} bytes are allowed"
        ));
    }
    if !keys.is_empty() && request.repositories.is_empty() {
        return refused("there are no repositories that they could be for".to_owned());
    }
    let mut fingerprints = BTreeSet::new();
    for text in keys {
        let key = match RepositoryKey::parse(text) {
            Ok(key) => key,
            Err(bad) => {
                let shown: String = text.chars().take(40).collect();
                return refused(format!("{shown:?} is no key: {bad}"));
            }
        };
        if let RepositoryKey::Usign { fingerprint, .. } = key
            && !fingerprints.insert(fingerprint.clone())
        {
            // opkg looks keys up by fingerprint and would find only one of them.
            return refused(format!("two keys have the fingerprint {fingerprint}"));
        }
    }
    Ok(())
}

/// The canonical spelling of a key. Other text is returned unchanged.
fn spelled(key: &str) -> String {
    RepositoryKey::parse(key).map_or_else(|_| key.to_owned(), |key| key.spelled().to_owned())
}

/// Checks the limits, and the fields that are plain text. The values of a request that passes are safe
/// as arguments of make.
///
/// # Errors
/// The first field that is wrong.
pub fn check(request: &Request) -> Result<(), InvalidField> {
    if !is_version(&request.version) {
        return Err(invalid("version", "letters, digits, '_', '.', '-'; at most 64 characters"));
    }
    if request.version_code.as_deref().is_some_and(|code| !is_revision(code)) {
        return Err(invalid("version_code", "letters, digits, '_', '.', '-', '+'; at most 64"));
    }
    check_packages(request)?;
    if request.rootfs_size_mb.is_some_and(|size| size == 0 || size > 65_536) {
        return Err(invalid("rootfs_size_mb", "must be from 1 to 65536"));
    }
    check_repositories(request)?;
    // A request that cannot be written as JSON is refused in the same way.
    let length = serde_json::to_vec(request).map_or(usize::MAX, |json| json.len());
    if length > MAX_REQUEST {
        return Err(invalid("request", format!("all of it may have {MAX_REQUEST} bytes as JSON")));
    }
    Ok(())
}

#[cfg(test)]
#[path = "request_tests.rs"]
pub(crate) mod tests;
