//! The catalog: what a distribution offers. The operator writes it to the database, and the API reads
//! it.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    board_rename::BoardRename,
    digest::digest_of,
    names::{PackageSpec, ProfileId, TargetName},
};

digest_of! {
    /// Digest of an ImageBuilder's tarball, which identifies it in builds and caches.
    TarballDigest
}

/// One device of a target. Everything else that upstream says of it is in a document
/// ([`crate::catalog_documents`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Id that `make info` prints.
    pub id: ProfileId,
    /// Board names that routers report, with underscores instead of commas.
    pub aliases: Vec<String>,
}

/// The devices of a target. Clones share their memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles(Arc<[Arc<Profile>]>);

impl From<Arc<[Arc<Profile>]>> for Profiles {
    fn from(profiles: Arc<[Arc<Profile>]>) -> Self {
        Self(profiles)
    }
}

impl From<Vec<Profile>> for Profiles {
    fn from(profiles: Vec<Profile>) -> Self {
        profiles.into_iter().collect()
    }
}

impl FromIterator<Profile> for Profiles {
    fn from_iter<T: IntoIterator<Item = Profile>>(profiles: T) -> Self {
        Self(profiles.into_iter().map(Arc::new).collect())
    }
}

impl Deref for Profiles {
    type Target = [Arc<Profile>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Serialize for Profiles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|profile| &**profile))
    }
}

/// Display name of a device: `title`, or the other parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// The whole name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its hardware version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Title {
    /// The parts that are present.
    pub fn parts(&self) -> impl Iterator<Item = &String> {
        [&self.title, &self.vendor, &self.model, &self.variant].into_iter().flatten()
    }
}

/// An ImageBuilder on the download server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageBuilder {
    /// Plain file name.
    pub file: String,
    /// Digest from the signed `sha256sums`.
    pub sha256: TarballDigest,
}

/// One target of a version. All files of a target are read from the same mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Board and subtarget.
    pub name: TargetName,
    /// Package architecture.
    pub arch: String,
    /// Revision, for example `r29197-ab4c7d6af7`.
    pub version_code: String,
    /// Time of the sources, in seconds since 1970.
    pub source_date_epoch: i64,
    /// Devices.
    pub profiles: Profiles,
    /// Its ImageBuilder.
    pub image_builder: ImageBuilder,
    /// Whether `sysupgrade` can install an image of one of the devices. Unknown in rows of older programs.
    pub sysupgrade: Option<bool>,
}

/// One version of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// For example `24.10.7`.
    pub name: String,
    /// For example `24.10`.
    pub branch: String,
    /// Folder below the server's base, for example `releases/24.10.7`.
    pub path: String,
    /// Whether upstream rebuilds it under the same name.
    pub snapshot: bool,
    /// Package architecture of every target that upstream lists.
    pub targets: BTreeMap<TargetName, String>,
    /// The targets that could be read completely.
    pub ready: BTreeMap<TargetName, Target>,
}

/// Data of a distribution, besides its versions, for clients and for the validation of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Display name of the distribution.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// One sentence about the distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Display names and descriptions of versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version_titles: BTreeMap<String, VersionTitle>,
    /// URL of the download server for routers.
    pub public_url: String,
    /// Recommended versions, newest first, at most one for each branch: `latest` of the API.
    pub latest: Vec<String>,
    /// Whether first-boot scripts are accepted.
    pub allow_defaults: bool,
    /// Maximum length of a first-boot script, in bytes.
    pub max_defaults_length: u32,
    /// Maximum size of the root partition, in MiB.
    pub max_rootfs_size_mb: u32,
    /// URL prefixes of the third-party repositories that are allowed.
    pub repository_allow_list: Vec<String>,
    /// Renamed and dropped packages. Published to clients and applied to requests.
    pub package_changes: Vec<PackageChange>,
    /// Branches, newest first.
    pub branches: Vec<Branch>,
    /// Names that devices report, with the profiles that are meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub board_renames: Vec<BoardRename>,
    /// Names of the feeds whose packages are network profiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_profiles: Vec<String>,
    /// Own default packages of the distribution, besides those of its ImageBuilders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_packages: Vec<String>,
}

/// Display name and description of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionTitle {
    /// Display name, if it differs from the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// One sentence about the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A branch, as it is published to clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// For example `24.10`.
    pub name: String,
    /// Path with the placeholder `{version}`.
    pub path: String,
    /// Whether upstream rebuilds it under the same name.
    pub snapshot: bool,
    /// Revision number at which it left the development branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_off_rev: Option<u32>,
    /// Versions, newest first.
    pub versions: Vec<String>,
}

/// A package that was renamed or dropped, since a revision or a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// The old name.
    pub source: PackageSpec,
    /// The new name; absent when the package was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PackageSpec>,
    /// Number of the first revision with the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// First version with the change, if it has no revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether clients must apply the change even if they keep their packages otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mandatory: bool,
    /// Other new names; the first one that fits is used instead of `target`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// A new name that depends on the other packages of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The new name.
    pub target: PackageSpec,
    /// Packages of which the request must have one.
    pub with: Vec<PackageSpec>,
}

/// One distribution, as stored in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Name of the Distribution object.
    pub name: String,
    /// Number that increases by one with each change.
    pub revision: i64,
    /// Its other data.
    pub offer: Offer,
    /// Versions, newest first. States of the catalog share the versions that are equal.
    pub versions: Vec<Arc<Version>>,
}

impl Distribution {
    /// The version with this name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().map(|version| &**version).find(|version| version.name == name)
    }
}
