//! Reads the targets and profiles of one version from the download server, as values of the catalog.
//!
//! For each wanted target the signed `sha256sums` contains the digests of the ImageBuilder and of
//! `profiles.json`. A target that cannot be read is reported individually; reading the version fails
//! only when its list of targets cannot be read. The `profiles.json` of a target and the index of its
//! packages are stored as documents. A target whose packages cannot be read is still offered. Called by
//! the operator's Distribution controller.

use std::collections::BTreeMap;

use asu_core::catalog::{ImageBuilder, Target, Version};
use asu_core::catalog_documents::{TargetDocuments, Targets};
use asu_core::digest::Digest;
use asu_core::names::TargetName;
use asu_core::packages::revision_number;
use asu_core::pattern::TargetPattern;
use asu_core::profile_pool::ProfilePool;
use futures::StreamExt as _;
use url::Url;

use crate::client::{Document, Upstream, Validator};
use crate::error::{UpstreamError, shown};
use crate::identity::{check_file_name, check_profiles, contradiction};
use crate::keeper::{Keeper, keep, keep_index};
use crate::memory::{Memory, Remembered};
use crate::mirrors::Given;
use crate::profiles::{self, Profiles};
use crate::signed_sums::{self, SignedSums, Trust};
use crate::sums::ImageBuilderFile;
use crate::target_packages::{self, TargetPackages};
use crate::targets;
use crate::text::quoted;

/// Number of targets that are read concurrently.
const CONCURRENCY: usize = 8;

/// Name of the file that lists the devices of a target.
const PROFILES: &str = "profiles.json";

/// Parameters of [`read_catalog`].
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Name of the version, for example `24.10.7`.
    pub version: String,
    /// Name of its branch, for example `24.10`.
    pub branch: String,
    /// Folder below the server's base, for example `releases/24.10.7`.
    pub path: String,
    /// Whether upstream rebuilds the version under the same name.
    pub snapshot: bool,
    /// Targets to read; `None` means all targets that the version lists.
    pub targets: Option<Vec<TargetName>>,
    /// Targets that are not read.
    pub excluded: Vec<TargetPattern>,
    /// Keys, one of which must have signed `sha256sums`.
    pub trust: Trust,
    /// Revisions in the current catalog, by target: a snapshot with a lower one is refused.
    pub offered: BTreeMap<TargetName, String>,
    /// Revisions that are accepted although they are lower.
    pub accepted: Vec<String>,
    /// From the last [`CatalogRead`] of this version, to skip targets that have not changed.
    pub memory: Memory,
    /// Shares equal devices with other versions.
    pub pool: ProfilePool,
}

/// Result of [`read_catalog`].
#[derive(Debug)]
pub struct CatalogRead {
    /// The version with the targets that could be read.
    pub version: Version,
    /// Errors of wanted targets that could not be read, by target.
    pub problems: BTreeMap<TargetName, UpstreamError>,
    /// Errors of targets that could be read nevertheless, by target: an earlier mirror served wrong
    /// content, or invalid devices were left out.
    pub faults: BTreeMap<TargetName, UpstreamError>,
    /// Documents of the targets that could be read.
    pub documents: Targets,
    /// Errors of targets whose packages could not be read, by target.
    pub unread_packages: BTreeMap<TargetName, UpstreamError>,
    /// To be passed to the next [`ReadRequest`].
    pub memory: Memory,
}

/// Reads a version. Fails when its list of targets cannot be read.
pub async fn read_catalog(
    upstream: &Upstream,
    request: &ReadRequest,
    keeper: &impl Keeper,
) -> Result<CatalogRead, UpstreamError> {
    let path = format!("{}/.targets.json", request.path);
    let document = upstream.document(&path, targets::MAX_BYTES).await?;
    let mut listed = targets::parse(&document.bytes).map_err(|error| error.at(&document.url))?;
    let is_excluded =
        |name: &TargetName| request.excluded.iter().any(|excluded| excluded.fits(name));
    // Targets that the Distribution excludes are not offered.
    listed.retain(|name, _| !is_excluded(name));
    let wanted: Vec<&TargetName> = match &request.targets {
        None => listed.keys().collect(),
        Some(wanted) => wanted.iter().filter(|name| !is_excluded(name)).collect(),
    };
    let listed_ref = &listed;
    let results: Vec<_> = futures::stream::iter(wanted)
        .map(async |name| (name, read_target(upstream, request, name, listed_ref, keeper).await))
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let mut found = Found::default();
    for (name, result) in results {
        found.take(name, result, &request.trust);
    }
    if let Some(wanted) = &request.targets {
        // Targets that the Distribution does not select are not offered.
        listed.retain(|name, _| wanted.contains(name));
    }
    let version = Version {
        name: request.version.clone(),
        branch: request.branch.clone(),
        path: request.path.clone(),
        snapshot: request.snapshot,
        targets: listed,
        ready: found.ready,
    };
    let Found { problems, faults, documents, unread_packages, memory, .. } = found;
    let memory = Memory(memory);
    Ok(CatalogRead { version, problems, faults, documents, unread_packages, memory })
}

/// Results of all targets.
#[derive(Default)]
struct Found {
    ready: BTreeMap<TargetName, Target>,
    problems: BTreeMap<TargetName, UpstreamError>,
    faults: BTreeMap<TargetName, UpstreamError>,
    documents: Targets,
    unread_packages: BTreeMap<TargetName, UpstreamError>,
    memory: BTreeMap<TargetName, Remembered>,
}

impl Found {
    fn take(
        &mut self,
        name: &TargetName,
        result: Result<Given<Read>, UpstreamError>,
        trust: &Trust,
    ) {
        let name = name.clone();
        let (read, fault) = match result {
            Ok(Given { answer, fault }) => (answer, fault),
            Err(error) => {
                self.problems.insert(name, error);
                return;
            }
        };
        let Read { target, documents, sums, left_out, unread_packages } = read;
        if let (Some(sums), None) = (sums, &unread_packages) {
            let (trust, target) = (trust.clone(), target.clone());
            self.memory.insert(name.clone(), Remembered { sums, trust, target, documents });
        }
        self.faults.extend(fault.or(left_out).map(|fault| (name.clone(), fault)));
        self.unread_packages.extend(unread_packages.map(|error| (name.clone(), error)));
        self.documents.insert(name.clone(), documents);
        self.ready.insert(name, target);
    }
}

/// A target as read from one mirror.
struct Read {
    target: Target,
    documents: TargetDocuments,
    /// Validator of `sha256sums`, to skip the target next time. `None` when the list has no digest of
    /// `profiles.json`: then an unchanged list does not mean unchanged devices.
    sums: Option<Validator>,
    /// Error about devices or packages that were left out.
    left_out: Option<UpstreamError>,
    /// Why the packages could not be read.
    unread_packages: Option<UpstreamError>,
}

/// Reads a target. All its files come from the same mirror, because another mirror may have a newer or
/// older build. A target without packages is returned only if no mirror has both.
async fn read_target(
    upstream: &Upstream,
    request: &ReadRequest,
    name: &TargetName,
    listed: &BTreeMap<TargetName, String>,
    keeper: &impl Keeper,
) -> Result<Given<Read>, UpstreamError> {
    let folder = format!("{}/targets/{name}", request.path);
    let Some(arch) = listed.get(name) else {
        return Err(UpstreamError::NotFound { url: folder });
    };
    let mut without_packages = None;
    let given = upstream
        .on_each_alone(async |mirror| {
            let place = Place { mirror, name, arch, folder: &folder };
            let mut read = read_from(&place, request, keeper).await?;
            match read.unread_packages.take() {
                None => Ok(read),
                Some(error) => {
                    without_packages.get_or_insert(read);
                    Err(error)
                }
            }
        })
        .await;
    match (given, without_packages) {
        (Err(error), Some(read)) => {
            let answer = Read { unread_packages: Some(error), ..read };
            Ok(Given { answer, fault: None })
        }
        (given, _) => given,
    }
}

/// Where a target is read from.
struct Place<'a> {
    mirror: &'a Upstream,
    name: &'a TargetName,
    arch: &'a str,
    folder: &'a str,
}

/// Files whose digests are needed from the list of a target.
fn wanted_files() -> Vec<&'static str> {
    [&[PROFILES][..], &target_packages::WANTED].concat()
}

async fn read_from(
    place: &Place<'_>,
    request: &ReadRequest,
    keeper: &impl Keeper,
) -> Result<Read, UpstreamError> {
    let Place { mirror, name, arch, folder } = *place;
    let known = request.memory.0.get(name).filter(|known| known.trust == request.trust);
    let validator = known.map(|known| &known.sums).filter(|sums| **sums != Validator::default());
    let wanted = wanted_files();
    let signed = signed_sums::read(mirror, folder, &request.trust, &wanted, validator).await?;
    let Some(signed) = signed else {
        // `None` means "not modified", which is possible only with a validator from `known`.
        let none = || UpstreamError::NotFound { url: folder.to_owned() };
        return known.map(again).ok_or_else(none);
    };
    let SignedSums { sums, validator, url } = &signed;
    let image_builder = sums.image_builder().map_err(|error| error.at(url))?;
    let digest = sums.digest_of(PROFILES).map_err(|error| error.at(url))?;
    check_file_name(&image_builder.name, &request.version, name.as_str())
        .map_err(|said| contradiction(url, &said, &request.version))?;
    let (profiles, document) = read_profiles(mirror, folder, digest).await?;
    check_profiles(&profiles, &document.url, &request.version, name, arch)?;
    check_revision(&profiles, &document.url, request, name)?;
    let of_profiles = keep(keeper, document.bytes.into()).await?;
    let kernel = profiles.linux_kernel.as_ref();
    let packages = TargetPackages { mirror, folder, arch, kernel, sums: (sums, url) };
    let (packages, bad_packages, unread_packages) = match read_packages(&packages, keeper).await {
        Ok((packages, bad)) => (Some(packages), bad, None),
        Err(error) => (None, None, Some(error)),
    };
    let target = target(name, arch, &profiles, image_builder, &request.pool);
    let left_out = profiles.left_out.map(|error| error.at(&document.url)).or(bad_packages);
    // Without a validator the target is read again next time, and what was left out is reported again.
    let is_whole = digest.is_some() && left_out.is_none();
    Ok(Read {
        target,
        documents: TargetDocuments { profiles: of_profiles, packages },
        sums: is_whole.then(|| validator.clone()),
        left_out,
        unread_packages,
    })
}

fn target(
    name: &TargetName,
    arch: &str,
    profiles: &Profiles,
    image_builder: ImageBuilderFile,
    pool: &ProfilePool,
) -> Target {
    Target {
        name: name.clone(),
        arch: arch.to_owned(),
        version_code: profiles.version_code.clone(),
        source_date_epoch: profiles.source_date_epoch,
        profiles: pool.list(profiles.catalog_profiles()),
        sysupgrade: profiles.can_sysupgrade(),
        image_builder: ImageBuilder {
            file: image_builder.name,
            sha256: image_builder.sha256.into(),
        },
    }
}

/// Reads the index of the target's packages and stores it. Also returns an error about entries that
/// were left out.
async fn read_packages(
    packages: &TargetPackages<'_>,
    keeper: &impl Keeper,
) -> Result<(Digest, Option<UpstreamError>), UpstreamError> {
    let (index, left_out) = packages.read().await?;
    Ok((keep_index(keeper, &index).await?, left_out))
}

/// The last result, for a target that has not changed.
fn again(remembered: &Remembered) -> Read {
    Read {
        target: remembered.target.clone(),
        documents: remembered.documents,
        sums: Some(remembered.sums.clone()),
        left_out: None,
        unread_packages: None,
    }
}

/// Refuses a snapshot that is older than the one in the catalog (rollback attack): the signature of an
/// old build stays valid. Revisions count the commits of a branch, so a later build never has a lower
/// one.
fn check_revision(
    profiles: &Profiles,
    url: &Url,
    request: &ReadRequest,
    name: &TargetName,
) -> Result<(), UpstreamError> {
    let said = profiles.version_code.as_str();
    let offered = request.offered.get(name).filter(|_| request.snapshot);
    let Some(offered) =
        offered.filter(|_| !request.accepted.iter().any(|accepted| accepted == said))
    else {
        return Ok(());
    };
    match (revision_number(said), revision_number(offered)) {
        (Some(new), Some(old)) if new < old => Err(UpstreamError::OlderRevision {
            url: shown(url),
            said: quoted(said),
            offered: quoted(offered),
        }),
        _ => Ok(()),
    }
}

/// Reads `profiles.json` and compares it with its digest in `sha256sums`. OpenWrt's list contains it.
/// Where a list does not, the file is accepted without a digest: the list is signed, so an attacker
/// cannot have removed the line.
async fn read_profiles(
    upstream: &Upstream,
    folder: &str,
    digest: Option<&Digest>,
) -> Result<(Profiles, Document), UpstreamError> {
    let path = format!("{folder}/{PROFILES}");
    let document = upstream.document(&path, profiles::MAX_BYTES).await?;
    let actual = Digest::of(&document.bytes);
    if let Some(expected) = digest.filter(|expected| **expected != actual) {
        let expected = *expected;
        return Err(UpstreamError::BadChecksum { url: shown(&document.url), expected, actual });
    }
    let profiles = Profiles::parse(&document.bytes).map_err(|error| error.at(&document.url))?;
    Ok((profiles, document))
}
