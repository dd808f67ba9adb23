//! Reads the targets and profiles of one version from the download server, as values of the catalog.
//!
//! For each wanted target the signed `sha256sums` contains the digests of the ImageBuilder and of
//! `profiles.json`. A target that cannot be read is reported individually; reading the version fails
//! only when its list of targets cannot be read. Called by the operator's Distribution controller.

use std::collections::BTreeMap;

use asu_core::catalog::{ImageBuilder, Target, Version};
use asu_core::digest::Digest;
use asu_core::names::TargetName;
use asu_core::packages::revision_number;
use futures::StreamExt as _;
use url::Url;

use crate::client::{Upstream, Validator};
use crate::error::{UpstreamError, shown};
use crate::mirrors::Given;
use crate::profiles::{self, Profiles};
use crate::signed_sums::{self, SignedSums, Trust};
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
    /// Keys, one of which must have signed `sha256sums`.
    pub trust: Trust,
    /// Revisions in the present catalog, by target: a snapshot with a lower one is refused.
    pub offered: BTreeMap<TargetName, String>,
    /// Revisions that are accepted although they are lower.
    pub accepted: Vec<String>,
    /// From the last [`CatalogRead`] of this version, to skip targets that have not changed.
    pub memory: Memory,
}

/// The targets read last time, with validators to check that they are still current.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<TargetName, Remembered>);

#[derive(Clone, Debug)]
struct Remembered {
    sums: Validator,
    trust: Trust,
    target: Target,
}

/// Result of [`read_catalog`].
#[derive(Debug)]
pub struct CatalogRead {
    /// The version with the targets that could be read.
    pub version: Version,
    /// Errors of wanted targets that could not be read, by target.
    pub problems: BTreeMap<TargetName, UpstreamError>,
    /// Errors of targets that could be read all the same, by target: an earlier mirror served wrong
    /// content, or invalid devices were left out.
    pub faults: BTreeMap<TargetName, UpstreamError>,
    /// To be passed to the next [`ReadRequest`].
    pub memory: Memory,
}

/// Reads a version. Fails when its list of targets cannot be read.
pub async fn read_catalog(
    upstream: &Upstream,
    request: &ReadRequest,
) -> Result<CatalogRead, UpstreamError> {
    let path = format!("{}/.targets.json", request.path);
    let document = upstream.document(&path, targets::MAX_BYTES).await?;
    let mut listed = targets::parse(&document.bytes).map_err(|error| error.at(&document.url))?;
    let wanted: Vec<&TargetName> = match &request.targets {
        None => listed.keys().collect(),
        Some(wanted) => wanted.iter().collect(),
    };
    let listed_ref = &listed;
    let results: Vec<_> = futures::stream::iter(wanted)
        .map(async |name| (name, read_target(upstream, request, name, listed_ref).await))
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let mut ready = BTreeMap::new();
    let mut problems = BTreeMap::new();
    let mut memory = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for (name, result) in results {
        match result {
            Ok(Given { answer: Read { target, sums, left_out }, fault }) => {
                if let Some(sums) = sums {
                    let trust = request.trust.clone();
                    let remembered = Remembered { sums, trust, target: target.clone() };
                    memory.insert(name.clone(), remembered);
                }
                faults.extend(fault.or(left_out).map(|fault| (name.clone(), fault)));
                ready.insert(name.clone(), target);
            }
            Err(error) => {
                problems.insert(name.clone(), error);
            }
        }
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
        ready,
    };
    Ok(CatalogRead { version, problems, faults, memory: Memory(memory) })
}

/// A target as read from one mirror.
struct Read {
    target: Target,
    /// Validator of `sha256sums`, to skip the target next time. `None` when the list has no digest of
    /// `profiles.json`: then an unchanged list does not mean unchanged devices.
    sums: Option<Validator>,
    /// Error about devices that were left out.
    left_out: Option<UpstreamError>,
}

/// Reads a target. All its files come from the same mirror, because another mirror may have a newer
/// or older build.
async fn read_target(
    upstream: &Upstream,
    request: &ReadRequest,
    name: &TargetName,
    listed: &BTreeMap<TargetName, String>,
) -> Result<Given<Read>, UpstreamError> {
    let folder = format!("{}/targets/{name}", request.path);
    let Some(arch) = listed.get(name) else {
        return Err(UpstreamError::NotFound { url: folder });
    };
    upstream
        .on_each_alone(async |mirror| read_from(mirror, request, name, arch, &folder).await)
        .await
}

async fn read_from(
    mirror: &Upstream,
    request: &ReadRequest,
    name: &TargetName,
    arch: &str,
    folder: &str,
) -> Result<Read, UpstreamError> {
    let known = request.memory.0.get(name).filter(|known| known.trust == request.trust);
    let validator = known.map(|known| &known.sums).filter(|sums| **sums != Validator::default());
    let signed = signed_sums::read(mirror, folder, &request.trust, &[PROFILES], validator).await?;
    let Some(SignedSums { sums, validator, url }) = signed else {
        // `None` means "not modified", which is possible only with a validator from `known`.
        let target = known.map(|known| known.target.clone());
        let target = target.ok_or_else(|| UpstreamError::NotFound { url: folder.to_owned() })?;
        return Ok(Read { target, sums: known.map(|known| known.sums.clone()), left_out: None });
    };
    let image_builder = sums.image_builder().map_err(|error| error.at(&url))?;
    let digest = sums.digest_of(PROFILES).map_err(|error| error.at(&url))?;
    check_file_name(&image_builder.name, &request.version, name.as_str())
        .map_err(|said| contradiction(&url, &said, &request.version))?;
    let (profiles, url) = read_profiles(mirror, folder, digest).await?;
    check_profiles(&profiles, &url, &request.version, name, arch)?;
    check_revision(&profiles, &url, request, name)?;
    let target = Target {
        name: name.clone(),
        arch: arch.to_owned(),
        version_code: profiles.version_code.clone(),
        source_date_epoch: profiles.source_date_epoch,
        profiles: profiles.catalog_profiles(),
        default_packages: profiles.default_packages,
        image_builder: ImageBuilder {
            file: image_builder.name,
            sha256: image_builder.sha256.into(),
        },
    };
    let left_out = profiles.left_out.map(|error| error.at(&url));
    // Without a validator the target is read again next time, and the left-out devices are reported
    // again.
    let sums = digest.filter(|_| left_out.is_none()).map(|_| validator);
    Ok(Read { target, sums, left_out })
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

/// The error that a signed document is of another version, target or architecture. The signature does
/// not cover the folder, so a mirror could serve the signed files of another folder. The names inside
/// the document must therefore be those of the request.
fn contradiction(url: &Url, said: &str, asked: &str) -> UpstreamError {
    UpstreamError::AnotherDocument { url: shown(url), said: quoted(said), asked: quoted(asked) }
}

fn check_profiles(
    profiles: &Profiles,
    url: &Url,
    version: &str,
    target: &TargetName,
    arch: &str,
) -> Result<(), UpstreamError> {
    for (said, asked) in [
        (profiles.version_number.as_str(), version),
        (profiles.target.as_str(), target.as_str()),
        (profiles.arch_packages.as_str(), arch),
    ] {
        if said != asked {
            return Err(contradiction(url, said, asked));
        }
    }
    Ok(())
}

/// Checks version and target in the file name of an ImageBuilder:
/// `…imagebuilder-24.10.7-ath79-generic.…`. A development version has no version there, or its
/// revision.
fn check_file_name(file: &str, version: &str, target: &str) -> Result<(), String> {
    let said = file.split_once("imagebuilder-").map_or(file, |(_, rest)| rest);
    let said = said.split_once(".Linux-").map_or(said, |(said, _)| said);
    let Some(said_version) = said.strip_suffix(&target.replace('/', "-")) else {
        return Err(said.to_owned());
    };
    let rest = said_version.strip_prefix(version).unwrap_or(said_version);
    let revision = rest.trim_start_matches('-').trim_end_matches('-');
    let good = revision.is_empty() || revision_number(revision).is_some();
    if good { Ok(()) } else { Err(said.to_owned()) }
}

/// Reads `profiles.json` and compares it with its digest in `sha256sums`. OpenWrt's list contains it.
/// Where a list does not, the file is accepted without a digest: the list is signed, so an attacker
/// cannot have removed the line.
async fn read_profiles(
    upstream: &Upstream,
    folder: &str,
    digest: Option<&Digest>,
) -> Result<(Profiles, Url), UpstreamError> {
    let path = format!("{folder}/{PROFILES}");
    let document = upstream.document(&path, profiles::MAX_BYTES).await?;
    let actual = Digest::of(&document.bytes);
    if let Some(expected) = digest.filter(|expected| **expected != actual) {
        let expected = *expected;
        return Err(UpstreamError::BadChecksum { url: shown(&document.url), expected, actual });
    }
    let profiles = Profiles::parse(&document.bytes).map_err(|error| error.at(&document.url))?;
    Ok((profiles, document.url))
}
