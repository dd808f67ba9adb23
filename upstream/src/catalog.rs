//! Reads what one version offers into the catalog's values.
//!
//! For each wanted target the signed `sha256sums` names the ImageBuilder and vouches for
//! `profiles.json`. A target that cannot be read is reported by itself; the version fails only
//! when its list of targets cannot be had. Called by the operator's Distribution controller.

use std::collections::BTreeMap;

use asu_core::catalog::{ImageBuilder, Target, Version};
use asu_core::digest::Digest;
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

/// Targets that are read at the same time.
const CONCURRENCY: usize = 8;

/// What tells the devices of a target.
const PROFILES: &str = "profiles.json";

/// Which version is read, and how.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// For example `24.10.7`.
    pub version: String,
    /// For example `24.10`.
    pub branch: String,
    /// Folder below the server's base, for example `releases/24.10.7`.
    pub path: String,
    /// Whether it is rebuilt under the same name.
    pub snapshot: bool,
    /// Targets to read; none means all that the version lists.
    pub targets: Option<Vec<String>>,
    /// Who must have signed.
    pub trust: Trust,
    /// Revisions that are offered, by target: what is rebuilt under the same name does not go back.
    pub offered: BTreeMap<String, String>,
    /// Revisions that may be gone back to all the same.
    pub accepted: Vec<String>,
    /// From the last [`CatalogRead`] of this version, to skip what has not changed.
    pub memory: Memory,
}

/// What was read of a version's targets, with what tells that it is still current.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<String, Remembered>);

#[derive(Clone, Debug)]
struct Remembered {
    sums: Validator,
    trust: Trust,
    target: Target,
}

/// What one version offers.
#[derive(Debug)]
pub struct CatalogRead {
    /// The version with the targets that could be read.
    pub version: Version,
    /// Wanted targets that could not be read.
    pub problems: BTreeMap<String, UpstreamError>,
    /// What is wrong although the target could be read: with a mirror before the one that served it, or
    /// with devices of it that are left out.
    pub faults: BTreeMap<String, UpstreamError>,
    /// For the next [`ReadRequest`].
    pub memory: Memory,
}

/// Reads a version; fails when its list of targets cannot be had.
pub async fn read_catalog(
    upstream: &Upstream,
    request: &ReadRequest,
) -> Result<CatalogRead, UpstreamError> {
    let path = format!("{}/.targets.json", request.path);
    let document = upstream.document(&path, targets::MAX_BYTES).await?;
    let mut listed = targets::parse(&document.bytes).map_err(|error| error.at(&document.url))?;
    let wanted: Vec<&String> = match &request.targets {
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
        // What the distribution's owner does not want is not offered either.
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

/// A target as a mirror has it.
struct Read {
    target: Target,
    /// Lets it be skipped next time; none when `sha256sums` does not cover `profiles.json`, so that its
    /// being unchanged would prove nothing.
    sums: Option<Validator>,
    /// What had to be left out of it.
    left_out: Option<UpstreamError>,
}

/// Everything of a target comes from one mirror: another may be a build ahead, or behind.
async fn read_target(
    upstream: &Upstream,
    request: &ReadRequest,
    name: &str,
    listed: &BTreeMap<String, String>,
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
    name: &str,
    arch: &str,
    folder: &str,
) -> Result<Read, UpstreamError> {
    let known = request.memory.0.get(name).filter(|known| known.trust == request.trust);
    let validator = known.map(|known| &known.sums).filter(|sums| **sums != Validator::default());
    let signed = signed_sums::read(mirror, folder, &request.trust, &[PROFILES], validator).await?;
    let Some(SignedSums { sums, validator, url }) = signed else {
        // Only an answer to the validator of `known` is none.
        let target = known.map(|known| known.target.clone());
        let target = target.ok_or_else(|| UpstreamError::NotFound { url: folder.to_owned() })?;
        return Ok(Read { target, sums: known.map(|known| known.sums.clone()), left_out: None });
    };
    let image_builder = sums.image_builder().map_err(|error| error.at(&url))?;
    let digest = sums.digest_of(PROFILES).map_err(|error| error.at(&url))?;
    check_file_name(&image_builder.name, &request.version, name)
        .map_err(|said| contradiction(&url, &said, &request.version))?;
    let (profiles, url) = read_profiles(mirror, folder, digest).await?;
    check_profiles(&profiles, &url, &request.version, name, arch)?;
    check_revision(&profiles, &url, request, name)?;
    let target = Target {
        name: name.to_owned(),
        arch: arch.to_owned(),
        version_code: profiles.version_code.clone(),
        source_date_epoch: profiles.source_date_epoch,
        profiles: profiles.catalog_profiles(),
        default_packages: profiles.default_packages,
        image_builder: ImageBuilder { file: image_builder.name, sha256: image_builder.sha256 },
    };
    let left_out = profiles.left_out.map(|error| error.at(&url));
    // What is left out is told at each reading.
    let sums = digest.filter(|_| left_out.is_none()).map(|_| validator);
    Ok(Read { target, sums, left_out })
}

/// What is rebuilt under the same name does not go back: the signature of an old build stays good for
/// ever. Revisions count the commits of a branch, so that a later one is never lower.
fn check_revision(
    profiles: &Profiles,
    url: &Url,
    request: &ReadRequest,
    name: &str,
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

/// A signature tells who signed, and not for which folder: a mirror may serve what was signed for
/// another. So what a document says of itself has to be what was asked for.
fn contradiction(url: &Url, said: &str, asked: &str) -> UpstreamError {
    UpstreamError::AnotherDocument { url: shown(url), said: quoted(said), asked: quoted(asked) }
}

fn check_profiles(
    profiles: &Profiles,
    url: &Url,
    version: &str,
    target: &str,
    arch: &str,
) -> Result<(), UpstreamError> {
    for (said, asked) in [
        (&profiles.version_number, version),
        (&profiles.target, target),
        (&profiles.arch_packages, arch),
    ] {
        if said != asked {
            return Err(contradiction(url, said, asked));
        }
    }
    Ok(())
}

/// What the name of an ImageBuilder says of its target and version: `…imagebuilder-24.10.7-ath79-generic.…`.
/// A development version has none there, or its revision.
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

/// OpenWrt's `sha256sums` lists `profiles.json`. Where one does not, nobody can take the line
/// away on the road, since the list is signed: its owner does not vouch for the file.
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
