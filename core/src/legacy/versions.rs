//! Finds the distribution's version that a device names, and the version that it is offered.

use std::cmp::Ordering;

use crate::{
    catalog::{Distribution, Version},
    names::TargetName,
    version::newest_first,
};

/// Names of the development version in releases of different years.
const DEVELOPMENT: [&str; 2] = ["snapshot", "snapshots"];

/// Whether two texts name the same version: without regard to case, and the names of the development
/// version mean the same.
pub fn is_same(a: &str, b: &str) -> bool {
    let development = |name: &str| DEVELOPMENT.iter().any(|word| name.eq_ignore_ascii_case(word));
    a.eq_ignore_ascii_case(b) || (development(a) && development(b))
}

/// The version with this name.
pub fn find<'a>(distribution: &'a Distribution, name: &str) -> Option<&'a Version> {
    let versions = || distribution.versions.iter().map(|version| &**version);
    distribution.version(name).or_else(|| versions().find(|version| is_same(&version.name, name)))
}

/// Whether a branch lists the version, although its files need not be offered (any more).
pub fn is_listed(distribution: &Distribution, name: &str) -> bool {
    let listed = distribution.offer.branches.iter().flat_map(|branch| &branch.versions);
    find(distribution, name).is_some() || listed.into_iter().any(|listed| is_same(listed, name))
}

/// The version that a device with version `installed` is offered: the first recommended version that has
/// the device's target, if it is newer. A device with a version that upstream rebuilds under the same name
/// keeps it.
pub fn offered<'a>(
    distribution: &'a Distribution,
    installed: &str,
    target: Option<&TargetName>,
) -> Option<&'a Version> {
    if find(distribution, installed).is_some_and(|version| version.snapshot) {
        return None;
    }
    let recommended =
        distribution.offer.latest.iter().filter_map(|name| distribution.version(name));
    let first = recommended
        .into_iter()
        .find(|version| target.is_none_or(|target| version.ready.contains_key(target)))?;
    let newer = newest_first(&first.name, installed) == Ordering::Less;
    newer.then_some(first)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::acceptance::tests::distribution;

    #[test]
    fn names_are_compared_without_case_and_snapshots_are_one_version() {
        for (a, b) in [("18.06.2", "18.06.2"), ("24.10-SNAPSHOT", "24.10-snapshot")] {
            assert!(is_same(a, b));
        }
        for name in ["SNAPSHOT", "snapshot", "Snapshots"] {
            assert!(is_same(name, "SNAPSHOT") && is_same("snapshots", name), "{name}");
        }
        assert!(!is_same("18.06.2", "18.06.20") && !is_same("snapshotz", "snapshot"));
    }

    #[test]
    fn a_device_is_offered_the_first_recommended_version_only_if_it_is_newer() {
        let distribution = distribution();
        let newest = distribution.offer.latest.first().unwrap().clone();
        let offered = |installed: &str| {
            super::offered(&distribution, installed, None).map(|version| version.name.clone())
        };
        assert_eq!(offered("17.01.4"), Some(newest.clone()));
        assert_eq!(offered(&newest), None);
        assert_eq!(offered("99.01.1"), None, "a newer version is not replaced by an older one");
        let other: TargetName = "no/such".parse().unwrap();
        assert_eq!(super::offered(&distribution, "17.01.4", Some(&other)), None);
    }
}
