//! What a distribution offers: versions, targets, profiles, ImageBuilders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    digest::digest_of,
    names::{PackageSpec, ProfileId, TargetName},
};

digest_of! {
    /// Digest of an ImageBuilder's tarball, by which builds and caches name it.
    TarballDigest
}

/// One device of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Id that `make info` prints.
    pub id: ProfileId,
    /// Names that routers call themselves by, commas already replaced by underscores.
    pub aliases: Vec<String>,
    /// Its names for people.
    pub titles: Vec<Title>,
    /// Packages that the device adds to the defaults, or removes from them.
    pub device_packages: Vec<PackageSpec>,
}

/// A device's name for people: `title` alone or the parts.
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
    /// The parts that are there.
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

/// One target of a version, read in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Packages of every device.
    pub default_packages: Vec<PackageSpec>,
    /// Devices.
    pub profiles: Vec<Profile>,
    /// Its ImageBuilder.
    pub image_builder: ImageBuilder,
}

/// One version of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// For example `24.10.7`.
    pub name: String,
    /// For example `24.10`.
    pub branch: String,
    /// Folder below the server's base, for example `releases/24.10.7`.
    pub path: String,
    /// Whether it is rebuilt under the same name.
    pub snapshot: bool,
    /// Package architecture of every target that upstream lists.
    pub targets: BTreeMap<TargetName, String>,
    /// The targets that could be read whole.
    pub ready: BTreeMap<TargetName, Target>,
}

/// What clients and validation need of a distribution besides its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// URL published to routers, which fetch from it.
    pub public_url: String,
    /// Newest versions first, one a branch, as `latest` of the API.
    pub latest: Vec<String>,
    /// Whether first-boot scripts are accepted.
    pub allow_defaults: bool,
    /// Longest first-boot script, in bytes.
    pub max_defaults_length: u32,
    /// Largest root partition, in MiB.
    pub max_rootfs_size_mb: u32,
    /// Prefixes of third-party repositories that are allowed.
    pub repository_allow_list: Vec<String>,
    /// Renamed and removed packages, published to clients and applied by us.
    pub package_changes: Vec<PackageChange>,
    /// Branch facts, newest first.
    pub branches: Vec<Branch>,
}

/// A branch as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// For example `24.10`.
    pub name: String,
    /// Path with the placeholder `{version}`.
    pub path: String,
    /// Whether it is rebuilt under the same name.
    pub snapshot: bool,
    /// Revision number at which it left the development branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_off_rev: Option<u32>,
    /// Versions, newest first.
    pub versions: Vec<String>,
}

/// One entry of `package_changes` (format of today's public server).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// The old name.
    pub source: PackageSpec,
    /// The new name; absent when the package was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PackageSpec>,
    /// Revision number from which it holds.
    pub revision: u32,
    /// Whether a client must follow even when it keeps its packages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mandatory: bool,
}

/// One distribution as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// Name of the Distribution object.
    pub name: String,
    /// Number that grows by one with every change.
    pub revision: i64,
    /// See [`Offer`].
    pub offer: Offer,
    /// Versions, newest first.
    pub versions: Vec<Version>,
}

impl Distribution {
    /// The version of that name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }
}
