//! The documents of `/json/v1` as types, for the answers and for the OpenAPI document.

use std::collections::BTreeMap;

use asu_core::catalog::{Branch, Distribution, PackageChange};
use asu_core::names::PackageSpec;
use asu_core::package_index::PackageIndex;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use utoipa::ToSchema;

/// Everything that clients need to know before they ask for an image.
#[derive(Serialize, ToSchema)]
pub struct Overview<'a> {
    /// Newest versions, one for each branch that is listed so.
    latest: &'a [String],
    /// Branches by name, newest first.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = BTreeMap<String, BranchDocument<'_>>)]
    branches: Vec<BranchDocument<'a>>,
    /// The download server.
    upstream_url: &'a str,
    /// Limits of this server.
    server: Server<'a>,
}

/// What a server allows.
#[derive(Serialize, ToSchema)]
pub struct Server<'a> {
    /// Version of this program.
    version: &'static str,
    /// Who runs it.
    contact: &'a str,
    /// Whether first-boot scripts may be sent.
    allow_defaults: bool,
    /// Third-party repositories at or below these URLs may be named.
    repository_allow_list: &'a [String],
    /// Largest root partition that may be asked for, in MiB.
    max_custom_rootfs_size_mb: u32,
    /// Longest first-boot script in bytes.
    max_defaults_length: u32,
}

/// A branch.
#[derive(Serialize, ToSchema)]
pub struct BranchDocument<'a> {
    /// For example 24.10.
    name: &'a str,
    /// Always true: others are not listed.
    enabled: bool,
    /// Whether its versions are rebuilt under the same name.
    snapshot: bool,
    /// Folder of a version below the download server.
    path: &'a str,
    /// `DEPRECATED`. An old client (auc) drops every branch that lacks it.
    path_packages: &'static str,
    /// Packages that were renamed or dropped before the branch left development.
    #[schema(value_type = Vec<Object>)]
    package_changes: Vec<ChangeDocument<'a>>,
    /// Its versions, newest first.
    versions: &'a [String],
    /// Targets with their architecture, of the newest version that has any.
    targets: BTreeMap<&'a str, &'a str>,
    /// Revision at which the branch left development.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_off_rev: Option<u32>,
}

/// A package that was renamed, or dropped if it has no target, in the format of OpenWrt's public server.
#[derive(Serialize)]
struct ChangeDocument<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    revision: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mandatory: bool,
}

impl<'a> ChangeDocument<'a> {
    fn of(change: &'a PackageChange, revision: u32) -> Self {
        Self {
            source: change.source.as_str(),
            target: change.target.as_ref().map(PackageSpec::as_str),
            revision,
            mandatory: change.mandatory,
        }
    }
}

/// The newest versions.
#[derive(Serialize, ToSchema)]
pub struct Latest<'a> {
    /// One for each branch that is listed so.
    pub(super) latest: &'a [String],
}

/// The packages of a target that are not in a feed, kernel modules among them.
#[derive(Serialize, ToSchema)]
pub struct TargetPackages<'a> {
    /// Package architecture.
    architecture: &'a str,
    /// Version by package name without ABI suffix.
    packages: BTreeMap<&'a str, &'a str>,
}

impl<'a> TargetPackages<'a> {
    /// The packages of an index.
    pub(super) fn of(index: &'a PackageIndex) -> Self {
        Self { architecture: &index.architecture, packages: index.versions() }
    }
}

/// The packages of all feeds: version by package name without ABI suffix.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
pub struct ArchPackages<'a>(pub(super) BTreeMap<&'a str, &'a str>);

/// What upstream's profiles.json says of a profile and of its target. Has whatever else it says.
#[derive(Serialize, ToSchema)]
pub struct ProfileDocument {
    /// 1.
    metadata_version: u64,
    /// Package architecture.
    arch_packages: String,
    /// For example ath79/generic.
    target: String,
    /// Revision, for example r29197-ab4c7d6af7.
    version_code: String,
    /// For example 24.10.7.
    version_number: String,
    /// Packages of every device of the target.
    default_packages: Vec<String>,
    /// Packages of the device in addition; a minus before a name removes a default one.
    device_packages: Vec<String>,
    /// Board names of routers that the images are for.
    supported_devices: Vec<String>,
    /// Names of the device.
    #[schema(value_type = Vec<Object>)]
    titles: Vec<serde_json::Value>,
    /// Upstream's images of the device.
    #[schema(value_type = Vec<Object>)]
    images: Vec<serde_json::Value>,
    /// The profile.
    id: String,
    /// Time of the sources.
    build_at: String,
}

impl<'a> Overview<'a> {
    /// The overview of a distribution. `contact` says who runs this server.
    pub(super) fn of(distribution: &'a Distribution, contact: &'a str) -> Self {
        let offer = &distribution.offer;
        Self {
            latest: &offer.latest,
            branches: branches(distribution),
            upstream_url: &offer.public_url,
            server: Server {
                version: env!("CARGO_PKG_VERSION"),
                contact,
                allow_defaults: offer.allow_defaults,
                repository_allow_list: &offer.repository_allow_list,
                max_custom_rootfs_size_mb: offer.max_rootfs_size_mb,
                max_defaults_length: offer.max_defaults_length,
            },
        }
    }
}

/// The branches of a distribution, newest first.
pub(super) fn branches(distribution: &Distribution) -> Vec<BranchDocument<'_>> {
    let document = |branch| BranchDocument::of(distribution, branch);
    distribution.offer.branches.iter().map(document).collect()
}

impl<'a> BranchDocument<'a> {
    fn of(distribution: &'a Distribution, branch: &'a Branch) -> Self {
        Self {
            name: &branch.name,
            enabled: true,
            snapshot: branch.snapshot,
            path: &branch.path,
            path_packages: "DEPRECATED",
            package_changes: changes(&distribution.offer.package_changes, branch.branch_off_rev),
            versions: &branch.versions,
            targets: targets(distribution, branch),
            branch_off_rev: branch.branch_off_rev,
        }
    }
}

fn by_name<S: Serializer>(
    branches: &[BranchDocument<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(branches.len()))?;
    for branch in branches {
        map.serialize_entry(branch.name, branch)?;
    }
    map.end()
}

/// The changes before the branch left development; all changes for the development branch. Changes of
/// versions are left out, because clients compare revisions.
fn changes(all: &[PackageChange], branch_off: Option<u32>) -> Vec<ChangeDocument<'_>> {
    let with_revision = all.iter().filter_map(|change| Some((change, change.revision?)));
    let before =
        with_revision.filter(|(_, revision)| branch_off.is_none_or(|off| *revision <= off));
    before.map(|(change, revision)| ChangeDocument::of(change, revision)).collect()
}

/// Targets of the first version of the branch that has any.
fn targets<'a>(distribution: &'a Distribution, branch: &Branch) -> BTreeMap<&'a str, &'a str> {
    let versions = branch.versions.iter().filter_map(|name| distribution.version(name));
    let first = versions.map(|version| &version.targets).find(|targets| !targets.is_empty());
    let named = first.into_iter().flatten();
    named.map(|(target, arch)| (target.as_str(), arch.as_str())).collect()
}
