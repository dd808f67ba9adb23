//! What a distribution says of itself to clients of the older API, and how they name it.

use asu_core::{
    catalog::{Distribution, Target, Version},
    legacy::versions,
    names::TargetName,
};

use super::{error::LegacyError, object::AskedTarget};
use crate::catalog::Snapshot;

/// Display name of a distribution.
pub fn title(distribution: &Distribution) -> &str {
    let title = distribution.offer.title.as_str();
    if title.is_empty() { &distribution.name } else { title }
}

/// What a distribution says of itself.
pub fn description(distribution: &Distribution) -> &str {
    distribution.offer.description.as_deref().unwrap_or_default()
}

/// Display name of a version.
pub fn version_title<'a>(distribution: &'a Distribution, version: &'a Version) -> &'a str {
    let titles = distribution.offer.version_titles.get(&version.name);
    titles.and_then(|titles| titles.title.as_deref()).unwrap_or(&version.name)
}

/// What a distribution says of a version.
pub fn version_description<'a>(distribution: &'a Distribution, version: &Version) -> &'a str {
    let titles = distribution.offer.version_titles.get(&version.name);
    titles.and_then(|titles| titles.description.as_deref()).unwrap_or_default()
}

/// Whether devices of a target can be upgraded with `sysupgrade`; `None` if it is not known.
pub fn has_sysupgrade(target: &Target) -> Option<bool> {
    target.sysupgrade
}

/// Distributions that offer anything. Chef ends if `latest` is not one of the versions.
pub fn distributions(catalog: &Snapshot) -> impl Iterator<Item = &Distribution> {
    let all = catalog.catalog().distributions.iter();
    all.filter(|distribution| !distribution.versions.is_empty())
}

/// The version that a page shows first: the recommended one, or the first if none is recommended.
pub fn shown_latest(distribution: &Distribution) -> Option<&str> {
    let mut names = distribution.versions.iter().map(|version| version.name.as_str());
    let recommended = latest(distribution);
    names.clone().find(|name| recommended == Some(*name)).or_else(|| names.next())
}

/// The version that devices are offered.
pub fn latest(distribution: &Distribution) -> Option<&str> {
    distribution.offer.latest.first().map(String::as_str)
}

/// The distribution with this name, without regard to case.
///
/// # Errors
/// If there is none.
pub fn distribution<'a>(
    catalog: &'a Snapshot,
    name: &str,
) -> Result<&'a Distribution, LegacyError> {
    let mut all = catalog.catalog().distributions.iter();
    let found = all.find(|distribution| distribution.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| LegacyError::NotOffered(format!("unknown distribution {}", shown(name))))
}

/// The version with this name, without regard to case.
///
/// # Errors
/// If it is not offered.
pub fn version<'a>(distribution: &'a Distribution, name: &str) -> Result<&'a Version, LegacyError> {
    versions::find(distribution, name)
        .ok_or_else(|| LegacyError::NotOffered(format!("unknown version {}", shown(name))))
}

/// A target of a version.
///
/// # Errors
/// If it is not offered.
pub fn target<'a>(
    version: &'a Version,
    asked: &AskedTarget,
) -> Result<(TargetName, &'a Target), LegacyError> {
    let name = asked.name.parse::<TargetName>().ok();
    let found = name.and_then(|name| version.ready.get_key_value(name.as_str()));
    let (name, target) = found
        .ok_or_else(|| LegacyError::NotOffered(format!("unknown target {}", shown(&asked.name))))?;
    Ok((name.clone(), target))
}

/// A name of a client in an error.
pub fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
