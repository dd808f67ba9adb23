//! Makes what clients are offered of a distribution: pure.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
};

use asu_core::{
    catalog::{Branch, Offer, PackageChange, Version, VersionTitle},
    discovery,
};
use asu_crds::DistributionSpec;
use jiff::civil::Date;

use super::validate::public_url;

/// What clients are offered: the bounds of the spec, and the versions that could be read.
pub fn offer<V: Borrow<Version>>(
    spec: &DistributionSpec,
    package_changes: &[PackageChange],
    versions: &[V],
    today: Date,
) -> Offer {
    let names = names_by_branch(spec, versions);
    let names_of =
        |branch: &asu_crds::Branch| names.get(branch.name.as_str()).cloned().unwrap_or_default();
    let branches = spec.branches.iter().map(|branch| Branch {
        name: branch.name.clone(),
        path: branch.path.clone(),
        snapshot: branch.snapshot,
        branch_off_rev: branch.branch_off_rev,
        versions: names_of(branch).into_iter().map(str::to_owned).collect(),
    });
    let latest = spec.branches.iter().filter_map(|branch| latest(branch, names_of(branch), today));
    Offer {
        public_url: public_url(spec).to_owned(),
        latest: latest.map(str::to_owned).collect(),
        allow_defaults: spec.limits.allow_defaults,
        max_defaults_length: spec.limits.max_defaults_length,
        max_rootfs_size_mb: spec.limits.max_rootfs_size_mb,
        repository_allow_list: spec.limits.repository_allow_list.clone(),
        package_changes: package_changes.to_vec(),
        branches: branches.collect(),
        board_renames: spec.renames(),
        network_profiles: network_profiles(spec),
        default_packages: spec.default_packages.clone(),
        title: spec.title.clone(),
        description: spec.description.clone(),
        version_titles: version_titles(spec, versions),
    }
}

/// Display names and descriptions of the offered versions.
fn version_titles<V: Borrow<Version>>(
    spec: &DistributionSpec,
    versions: &[V],
) -> BTreeMap<String, VersionTitle> {
    let offered: BTreeSet<&str> =
        versions.iter().map(|version| version.borrow().name.as_str()).collect();
    let titles = spec.branches.iter().flat_map(|branch| &branch.version_titles);
    titles
        .filter(|title| offered.contains(title.version.as_str()))
        .map(|title| {
            let (name, description) = (title.title.clone(), title.description.clone());
            (title.version.clone(), VersionTitle { title: name, description })
        })
        .collect()
}

/// Names of the feeds of network profiles.
fn network_profiles(spec: &DistributionSpec) -> Vec<String> {
    let feeds = spec.feeds.iter().filter(|feed| feed.network_profiles);
    feeds.map(|feed| feed.name.clone()).collect()
}

/// Names of the versions of each branch, newest first.
fn names_by_branch<'a, V: Borrow<Version>>(
    spec: &'a DistributionSpec,
    versions: &'a [V],
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let branch_of = spec.branch_finder();
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for version in versions {
        let version = version.borrow().name.as_str();
        if let Some(branch) = branch_of(version) {
            names.entry(&branch.name).or_default().push(version);
        }
    }
    names
}

/// The version of a branch that is recommended to clients: the one that the spec names, if it is
/// offered, else the newest release. `None` for a branch of snapshots, because LuCI would offer a
/// snapshot to routers that have a release, and `None` from the branch's end of life on.
fn latest<'v>(branch: &asu_crds::Branch, names: Vec<&'v str>, today: Date) -> Option<&'v str> {
    let end = branch.end_of_life.as_ref().and_then(|day| day.parse::<Date>().ok());
    if branch.snapshot || end.is_some_and(|end| today >= end) {
        return None;
    }
    let wanted = branch.latest.as_deref();
    let wanted = wanted.and_then(|wanted| names.iter().copied().find(|name| *name == wanted));
    wanted.or_else(|| discovery::latest(names))
}

#[cfg(test)]
#[path = "offer_tests.rs"]
mod tests;
