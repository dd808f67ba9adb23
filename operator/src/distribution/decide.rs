//! Decides what the catalog offers after a reading: pure. Called by the controller.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{Distribution, Offer, Target, Version},
    names::TargetName,
};
use asu_crds::{
    BranchStatus, CacheWorkspace, CatalogCounts, DistributionSpec, ImageBuilderCacheSpec,
    PinnedCache, cache_name,
};
use jiff::civil::Date;

use super::{
    dereference::{ReadyCaches, VersionRead},
    discover::needs_list,
    documents_read::DocumentsRead,
    offer::offer,
    validate::{Validated, target_path},
};

/// Maximum number of problems that the status lists for a branch.
const MAX_PROBLEMS: usize = 32;

/// The result of a reading: what is written to the catalog, the status and the caches.
#[derive(Debug)]
pub struct Decision {
    /// What clients are offered.
    pub offer: Offer,
    /// Versions to write to the catalog, in the order of the spec.
    pub versions: Vec<Version>,
    /// Branches with problems, for the status.
    pub problems: Vec<BranchStatus>,
    /// Pinned caches, which are filled before any request needs them, by name.
    pub pinned: BTreeMap<String, ImageBuilderCacheSpec>,
    /// Caches of successors, whose ImageBuilders are offered once the cache is ready, by name.
    pub successors: BTreeMap<String, ImageBuilderCacheSpec>,
    /// The documents that were found, by version.
    pub documents: BTreeMap<String, DocumentsRead>,
}

/// The basis of a decision, besides the reading.
#[derive(Debug)]
pub struct Basis<'a> {
    /// Name of the Distribution.
    pub name: &'a str,
    /// Its spec.
    pub spec: &'a DistributionSpec,
    /// The spec as parsed values.
    pub valid: &'a Validated,
    /// Why the list of the download server's versions could not be read.
    pub unlisted: Option<String>,
    /// The last good catalog.
    pub last: Option<&'a Distribution>,
    /// Caches that are ready.
    pub ready: &'a ReadyCaches,
    /// The current day (UTC).
    pub today: Date,
}

/// If the list of versions could not be read: the problem of each branch that needs it.
fn unlisted(basis: &Basis<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(problem) = &basis.unlisted else { return BTreeMap::new() };
    let problem = short(&format!("{problem}; the versions that were offered before stay"));
    let branches = basis.valid.branches.iter().filter(|branch| needs_list(branch));
    branches.map(|branch| (branch.name.clone(), vec![problem.clone()])).collect()
}

/// Merges what was read with the last good catalog. If a target could not be read, its last good data
/// stays in the catalog and the problem is reported. If upstream replaced the ImageBuilder of a target,
/// the former one stays in the catalog as long as it has a ready cache and its successor has none.
pub fn decide(basis: &Basis<'_>, read: Vec<VersionRead>) -> Decision {
    let Basis { name, spec, last, ready, .. } = *basis;
    let mut problems = unlisted(basis);
    let mut versions = Vec::new();
    let mut documents = BTreeMap::new();
    for version in read {
        let report = problems.entry(version.branch.clone()).or_default();
        let before = last.and_then(|last| last.version(&version.version));
        report.extend(
            version.problems.iter().map(|(target, problem)| {
                short(&format!("{} {target}: {problem}", version.version))
            }),
        );
        report.extend(version.faults.iter().map(|(target, fault)| {
            short(&format!("{} {target} is offered, but {fault}", version.version))
        }));
        report.extend(version.documents.problems(&version.version).iter().map(|p| short(p)));
        documents.insert(version.version.clone(), version.documents);
        match version.read {
            Ok(mut found) => {
                keep_unread(&mut found, &version.problems, before);
                if found.ready.is_empty() {
                    // Upstream lists a release before it publishes its files.
                    report.push(no_target(spec, &version.version));
                } else {
                    versions.push(found);
                }
            }
            Err(problem) => {
                report.push(short(&format!("{}: {problem}", version.version)));
                versions.extend(before.cloned());
            }
        }
    }
    let successors = hold_back(name, spec, &mut versions, last, ready, &mut problems);
    let pinned = pinned_caches(basis, &versions, &mut problems);
    report_latest(spec, &versions, &mut problems);
    Decision {
        offer: offer(spec, &basis.valid.package_changes, &versions, basis.today),
        versions,
        problems: statuses(problems),
        pinned,
        successors,
        documents,
    }
}

/// The problem of a version without any target.
fn no_target(spec: &DistributionSpec, version: &str) -> String {
    let Some(parent) = &spec.parent else {
        return format!("{version} has no target that could be read");
    };
    let (_, known) = spec.base_of("", version);
    let parent = &parent.distribution;
    format!("{version}: the parent {parent} offers no such target of its version {known}")
}

/// The pinned caches, by name. One that is not offered is a problem of its branch.
fn pinned_caches(
    basis: &Basis<'_>,
    versions: &[Version],
    problems: &mut BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, ImageBuilderCacheSpec> {
    let Basis { name, spec, .. } = *basis;
    let mut pinned = BTreeMap::new();
    for pin in &spec.pinned_caches {
        if let Some(cache) = pinned_cache(name, spec, versions, pin) {
            let id = cache_name(name, &cache.version, &cache.target, &cache.sha256);
            pinned.insert(id, cache);
        } else {
            let branch = branch_of(spec, &pin.version);
            let problem = format!("pinned {} {} is not offered", pin.version, pin.target);
            problems.entry(branch).or_default().push(problem);
        }
    }
    pinned
}

/// Reports recommended versions that are not offered.
fn report_latest(
    spec: &DistributionSpec,
    versions: &[Version],
    problems: &mut BTreeMap<String, Vec<String>>,
) {
    for branch in &spec.branches {
        let is_offered = |wanted: &String| versions.iter().any(|version| version.name == *wanted);
        if let Some(wanted) = branch.latest.as_ref().filter(|wanted| !is_offered(wanted)) {
            let problem =
                format!("latest {wanted} is not offered, so the newest release is recommended");
            problems.entry(branch.name.clone()).or_default().push(problem);
        }
    }
}

fn short(problem: &str) -> String {
    problem.chars().take(500).collect()
}

fn branch_of(spec: &DistributionSpec, version: &str) -> String {
    let found = spec.branch_of(version).or(spec.branches.first());
    found.map(|branch| branch.name.clone()).unwrap_or_default()
}

/// Keeps the last good data of each listed target that could not be read.
fn keep_unread(
    found: &mut Version,
    problems: &BTreeMap<TargetName, String>,
    before: Option<&Version>,
) {
    for target in problems.keys().filter(|target| found.targets.contains_key(*target)) {
        if let Some(old) = before.and_then(|before| before.ready.get(target)) {
            found.ready.insert(target.clone(), old.clone());
        }
    }
}

fn pinned_cache(
    distribution: &str,
    spec: &DistributionSpec,
    versions: &[Version],
    pin: &PinnedCache,
) -> Option<ImageBuilderCacheSpec> {
    let version = versions.iter().find(|found| found.name == pin.version)?;
    let target = version.ready.get(pin.target.as_str())?;
    let path = target_path(spec, &pin.version, &pin.target)?;
    Some(ImageBuilderCacheSpec {
        pinned: true,
        suspend: false,
        workspace: pin.workspace,
        ..cache_spec(distribution, &pin.version, target, path)
    })
}

/// The spec of the cache of a target's ImageBuilder.
pub fn cache_spec(
    distribution: &str,
    version: &str,
    target: &Target,
    target_path: String,
) -> ImageBuilderCacheSpec {
    ImageBuilderCacheSpec {
        distribution: distribution.to_owned(),
        version: version.to_owned(),
        target: target.name.to_string(),
        sha256: target.image_builder.sha256.to_string(),
        file: target.image_builder.file.clone(),
        target_path,
        revision: Some(target.version_code.clone()),
        pinned: false,
        suspend: false,
        workspace: CacheWorkspace::default(),
    }
}

/// Restores the former ImageBuilders that stay offered. Returns the caches of their successors.
fn hold_back(
    name: &str,
    spec: &DistributionSpec,
    versions: &mut [Version],
    last: Option<&Distribution>,
    ready: &ReadyCaches,
    problems: &mut BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, ImageBuilderCacheSpec> {
    let mut successors = BTreeMap::new();
    for version in versions {
        let Some(before) = last.and_then(|last| last.version(&version.name)) else { continue };
        for (target, found) in &mut version.ready {
            let old =
                before.ready.get(target).filter(|old| is_held(name, before, old, found, ready));
            let Some(old) = old else { continue };
            let path = target_path(spec, &before.name, target.as_str());
            let Some(path) = path else { continue };
            let next = cache_spec(name, &before.name, found, path);
            let id = cache_name(name, &next.version, &next.target, &next.sha256);
            let problem = format!(
                "{} {target}: the former ImageBuilder serves until {id} is ready",
                before.name
            );
            problems.entry(version.branch.clone()).or_default().push(problem);
            successors.insert(id, next);
            *found = old.clone();
        }
    }
    successors
}

/// Whether the former ImageBuilder of a target stays offered: its cache is ready and was used, and
/// the new one's cache is not ready yet. An unused one is replaced at once: otherwise every new
/// ImageBuilder of a target would be downloaded because of a single former request.
fn is_held(
    distribution: &str,
    version: &Version,
    old: &Target,
    new: &Target,
    ready: &ReadyCaches,
) -> bool {
    let cache = |target: &Target| {
        let sha256 = target.image_builder.sha256.to_string();
        cache_name(distribution, &version.name, target.name.as_str(), &sha256)
    };
    old.image_builder.sha256 != new.image_builder.sha256
        && ready.wanted.contains(&cache(old))
        && !ready.all.contains(&cache(new))
}

fn statuses(problems: BTreeMap<String, Vec<String>>) -> Vec<BranchStatus> {
    let named = problems.into_iter().filter(|(_, problems)| !problems.is_empty());
    let cut = |(name, problems): (String, Vec<String>)| {
        let hidden = problems.len().saturating_sub(MAX_PROBLEMS);
        let mut shown: Vec<String> = problems.into_iter().take(MAX_PROBLEMS).collect();
        if let (Some(last), true) = (shown.last_mut(), hidden > 0) {
            *last = format!("and {} more", hidden.saturating_add(1));
        }
        BranchStatus { name, problems: shown }
    };
    named.map(cut).take(64).collect()
}

/// The numbers of versions, targets and profiles, for the status.
pub fn counts(versions: &[Version]) -> CatalogCounts {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let ready = || versions.iter().flat_map(|version| version.ready.values());
    CatalogCounts {
        versions: count(versions.len()),
        targets: count(ready().count()),
        profiles: count(ready().map(|target| target.profiles.len()).sum()),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
