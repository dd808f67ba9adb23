//! Decides which caches are created before any request needs them: those of the most used targets of a
//! branch that has a new version. The controller reads the history between the two steps.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{Distribution, Version},
    version::newest_first,
};
use asu_crds::{DistributionSpec, ImageBuilderCacheSpec, cache_name};

use super::{decide::cache_spec, validate::target_path};

/// A branch whose newest version has targets that were not offered before.
#[derive(Debug, PartialEq)]
pub struct NewVersion<'a> {
    /// The newest of these versions.
    version: &'a Version,
    /// The version before this reading, with the targets that were offered.
    before: Option<&'a Version>,
    /// Names of all versions of the branch, whose history counts.
    pub versions: Vec<String>,
}

/// The new versions, at most one for each branch. There is none at the first reading of a
/// distribution, because everything would be new.
pub fn new_versions<'a>(
    last: Option<&'a Distribution>,
    versions: &'a [Version],
) -> Vec<NewVersion<'a>> {
    let Some(last) = last else { return Vec::new() };
    let mut newest: BTreeMap<&str, NewVersion<'a>> = BTreeMap::new();
    for version in versions {
        let before = last.version(&version.name);
        let is_new = |target| before.is_none_or(|before| !before.ready.contains_key(target));
        let is_newer = newest.get(version.branch.as_str()).is_none_or(|other| {
            newest_first(&version.name, &other.version.name) == std::cmp::Ordering::Less
        });
        if is_newer && version.ready.keys().any(is_new) {
            let before_too = last.versions.iter().map(|version| &**version);
            let of_branch = versions.iter().chain(before_too);
            let of_branch = of_branch.filter(|other| other.branch == version.branch);
            let mut names: Vec<String> = of_branch.map(|other| other.name.clone()).collect();
            names.sort();
            names.dedup();
            newest.insert(&version.branch, NewVersion { version, before, versions: names });
        }
    }
    newest.into_values().collect()
}

impl NewVersion<'_> {
    /// The caches to create, by name, given the most used targets of the branch.
    pub fn caches(
        &self,
        distribution: &str,
        spec: &DistributionSpec,
        most_used: &[String],
    ) -> BTreeMap<String, ImageBuilderCacheSpec> {
        let version = self.version;
        let cache = |target: &String| {
            let found = version.ready.get(target.as_str())?;
            if self.before.is_some_and(|before| before.ready.contains_key(target.as_str())) {
                return None;
            }
            let path = target_path(spec, &version.name, target)?;
            let cache = cache_spec(distribution, &version.name, found, path);
            let name = cache_name(distribution, &version.name, target, &cache.sha256);
            Some((name, cache))
        };
        most_used.iter().filter_map(cache).collect()
    }
}

#[cfg(test)]
#[path = "prewarm_tests.rs"]
mod tests;
