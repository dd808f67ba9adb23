//! Parses the spec of a Distribution: pure. An invalid branch is left out and reported; it does not
//! affect the other branches.

use asu_core::{
    catalog::PackageChange, discovery::Rules, names::TargetName, pattern::TargetPattern,
};
use asu_crds::{BadSpec, Branch, DistributionSpec, Signatures};
use asu_upstream::{Trust, UsignPublicKey};
use jiff::civil::Date;
use url::Url;

/// A valid spec, as parsed values.
#[derive(Debug)]
pub struct Validated {
    /// Mirrors, in the order in which they are tried.
    pub mirrors: Vec<Url>,
    /// Branches, newest first.
    pub branches: Vec<ValidBranch>,
    /// Targets to offer; all if absent.
    pub targets: Option<Vec<TargetName>>,
    /// Targets that are not offered.
    pub excluded: Vec<TargetPattern>,
    /// Renamed and removed packages.
    pub package_changes: Vec<PackageChange>,
}

/// A branch, with the reason if it is left out.
#[derive(Debug)]
pub struct ValidBranch {
    /// Name of the branch.
    pub name: String,
    /// Keys that must have signed its files, or why the branch is left out.
    pub trust: Result<Trust, String>,
    /// Versions that the spec lists.
    pub fixed: Vec<String>,
    /// Rules that select further versions.
    pub rules: Rules,
    /// Versions to read, newest first, each with its folder below a mirror.
    pub versions: Vec<(String, String)>,
    spec: Branch,
}

impl ValidBranch {
    /// Folder of a version below a mirror.
    pub fn path_of(&self, version: &str) -> String {
        version_path(&self.spec, version)
    }

    /// Keys that must have signed a version, or why it is left out.
    ///
    /// # Errors
    /// When a key of the version is malformed.
    pub fn trust_of(&self, version: &str) -> Result<Trust, String> {
        self.trust.clone()?;
        trust(&self.spec, self.spec.keys_of(version))
    }

    /// Whether upstream rebuilds a version under the same name.
    pub fn rebuilds(&self, version: &str) -> bool {
        self.spec.rebuilds(version)
    }
}

/// Why a spec is invalid as a whole: no retry until it changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDistribution {
    /// A mirror's URL is malformed.
    #[error("spec.upstream.fetchURLs: {0:?} is not a URL")]
    Mirror(String),
    /// A version belongs to two branches.
    #[error("version {0} is listed in two branches")]
    TwoBranches(String),
    /// A day does not exist.
    #[error("spec.branches: endOfLife {0} is not a day, for example 2026-09-30")]
    EndOfLife(String),
    /// No branch can be read, so nothing could be offered.
    #[error("spec.branches[{0}].{1}")]
    NoBranch(String, String),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] BadSpec),
}

/// Parses the spec.
///
/// # Errors
/// When the spec is invalid as a whole.
pub fn validate(spec: &DistributionSpec) -> Result<Validated, BadDistribution> {
    let mut seen = std::collections::BTreeSet::new();
    for version in spec.branches.iter().flat_map(|branch| &branch.versions) {
        if !seen.insert(version) {
            return Err(BadDistribution::TwoBranches(version.clone()));
        }
    }
    for day in spec.branches.iter().filter_map(|branch| branch.end_of_life.as_ref()) {
        day.parse::<Date>().map_err(|_| BadDistribution::EndOfLife(day.clone()))?;
    }
    let mirrors = spec.upstream.iter().flat_map(|upstream| &upstream.fetch_urls).map(|url| {
        let slashed = format!("{}/", url.trim_end_matches('/'));
        Url::parse(&slashed).map_err(|_| BadDistribution::Mirror(url.clone()))
    });
    let branches: Vec<ValidBranch> = spec.branches.iter().map(branch).collect();
    let mut left_out = branches.iter().map(|branch| (&branch.name, branch.trust.as_ref().err()));
    if let Some((name, Some(problem))) = left_out.next()
        && left_out.all(|(_, problem)| problem.is_some())
    {
        return Err(BadDistribution::NoBranch(name.clone(), problem.clone()));
    }
    // They are applied by builds; here they are only checked.
    spec.edits()?;
    spec.check_feeds()?;
    spec.check_images()?;
    spec.own_defaults()?;
    Ok(Validated {
        mirrors: mirrors.collect::<Result<_, _>>()?,
        branches,
        targets: spec.wanted_targets()?,
        excluded: spec.unwanted_targets()?,
        package_changes: spec.changes()?,
    })
}

fn branch(branch: &Branch) -> ValidBranch {
    ValidBranch {
        name: branch.name.clone(),
        trust: trust(branch, &branch.keys),
        fixed: branch.versions.clone(),
        rules: branch.rules(),
        versions: Vec::new(),
        spec: branch.clone(),
    }
}

fn trust(branch: &Branch, keys: &[String]) -> Result<Trust, String> {
    match branch.signatures {
        Signatures::NotChecked => Ok(Trust::Unsigned),
        Signatures::Required => keys
            .iter()
            .map(|key| UsignPublicKey::parse(key))
            .collect::<Result<Vec<_>, _>>()
            .map(Trust::Keys)
            .map_err(|error| format!("keys: {error}")),
    }
}

fn version_path(branch: &Branch, version: &str) -> String {
    branch.path.replace("{version}", version).trim_end_matches('/').to_owned()
}

/// Folder of a target below a mirror; `None` when no branch lists the version.
pub fn target_path(spec: &DistributionSpec, version: &str, target: &str) -> Option<String> {
    let branch = spec.branch_of(version)?;
    Some(format!("{}/targets/{target}", version_path(branch, version)))
}

/// URL of the download server that ImageBuilders contain; empty if the distribution has a parent.
pub fn public_url(spec: &DistributionSpec) -> &str {
    spec.upstream.as_ref().map_or("", |upstream| upstream.public_url.trim_end_matches('/'))
}

/// Base URL from which builds download packages; empty if the distribution has a parent.
pub fn package_base_url(spec: &DistributionSpec) -> String {
    let Some(upstream) = &spec.upstream else { return String::new() };
    let mirror = upstream.package_base_url.as_ref().or(upstream.fetch_urls.first());
    mirror.unwrap_or(&upstream.public_url).clone()
}
