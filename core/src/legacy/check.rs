//! What a device is told that asks for upgrades.

use std::{borrow::Cow, collections::BTreeMap};

use super::package_names::Available;
use crate::{
    catalog::{Distribution, Version},
    names::{PackageSpec, TargetName},
    package_changes::changed,
};

/// Package whose version contains the commit that a target was built from.
const BASE: &str = "base-files";

/// The packages of a device in a version, after renames and drops. Names that are no package names stay, so
/// that they can be reported.
pub fn transformed(
    names: &[String],
    distribution: &Distribution,
    version: &Version,
    target: &TargetName,
) -> Vec<String> {
    let revision = version.ready.get(target).map_or("", |target| target.version_code.as_str());
    let branches = &distribution.offer.branches;
    let branch = branches.iter().find(|branch| branch.name == version.branch);
    let (good, bad): (Vec<_>, Vec<_>) = names
        .iter()
        .map(|name| name.parse::<PackageSpec>().map_err(|_| name))
        .partition(Result::is_ok);
    let good: Vec<PackageSpec> = good.into_iter().flatten().collect();
    let changes = &distribution.offer.package_changes;
    let off = branch.and_then(|branch| branch.branch_off_rev);
    let list = changed(&good, changes, &version.name, revision, off);
    let list = list.iter().map(ToString::to_string);
    list.chain(bad.into_iter().filter_map(Result::err).cloned()).collect()
}

/// The names under which all packages can be installed.
///
/// # Errors
/// All names that no index has.
pub fn installable(names: &[String], available: Available<'_>) -> Result<Vec<String>, Vec<String>> {
    let mut unknown = Vec::new();
    let mut known: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        match available.installable(name).map(Cow::into_owned) {
            Some(name) => known.push(name),
            None => unknown.push(name.clone()),
        }
    }
    if unknown.is_empty() { Ok(known) } else { Err(unknown) }
}

/// The new and the installed version of every installed package that has another version.
pub fn upgrades<'a>(
    installed: &'a BTreeMap<String, String>,
    available: &Available<'a>,
) -> BTreeMap<&'a str, [&'a str; 2]> {
    let differing = installed.iter().filter_map(|(name, current)| {
        let new = available.version(name)?;
        (new != current).then_some((name.as_str(), [new, current.as_str()]))
    });
    differing.collect()
}

/// Whether a version that upstream rebuilds under the same name has changed since a device was installed.
/// A device that does not say its revision is judged by the version of `base-files`.
pub fn is_rebuilt(
    revision: Option<&str>,
    offered: &str,
    installed: &BTreeMap<String, String>,
    available: Option<&Available<'_>>,
) -> bool {
    if let Some(revision) = revision.filter(|revision| !revision.is_empty()) {
        return revision != offered;
    }
    let new = available.and_then(|available| available.version(BASE));
    matches!((installed.get(BASE), new), (Some(old), Some(new)) if old != new)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        acceptance::tests::distribution,
        catalog::PackageChange,
        legacy::package_names::PackageNames,
        package_index::{Package, PackageIndex},
    };

    fn names(packages: &[(&str, &str)]) -> PackageNames {
        let mut index = PackageIndex::new("x");
        for (name, version) in packages {
            index.add(name, Package::of_version(*version)).unwrap();
        }
        PackageNames::of(&index)
    }

    fn installed(packages: &[(&str, &str)]) -> BTreeMap<String, String> {
        packages.iter().map(|&(name, version)| (name.to_owned(), version.to_owned())).collect()
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn packages_are_renamed_and_dropped_and_malformed_names_stay() {
        let mut distribution = distribution();
        let change = |source: &str, target: Option<&str>, version: &str| PackageChange {
            source: source.parse().unwrap(),
            target: target.map(|name| name.parse().unwrap()),
            revision: None,
            version: Some(version.to_owned()),
            mandatory: false,
            choices: vec![],
        };
        distribution.offer.package_changes = vec![
            change("b", Some("c"), "23.05.0"),
            change("a", Some("b"), "19.07.0"),
            change("gone", None, "19.07.0"),
            change("c", Some("later"), "99.0.0"),
        ];
        let version = distribution.versions[0].clone();
        let target = "ath79/generic".parse().unwrap();
        let list = texts(&["a", "c", "gone", "$(x)", "luci"]);
        let list = transformed(&list, &distribution, &version, &target);
        assert_eq!(list, ["c", "luci", "$(x)"]);
    }

    #[test]
    fn every_unknown_name_is_reported() {
        let index = names(&[("luci", "1")]);
        let parts = [Arc::new(index)];
        let available = Available { parts: &parts };
        assert_eq!(installable(&texts(&["luci", "libc"]), available), Ok(texts(&["luci", "libc"])));
        let unknown = installable(&texts(&["x", "luci", "-y"]), available);
        assert_eq!(unknown, Err(texts(&["x", "-y"])));
    }

    #[test]
    fn a_rebuilt_version_is_recognized_by_revision_or_else_by_base_files() {
        let index = names(&[("base-files", "2")]);
        let parts = [Arc::new(index)];
        let available = Available { parts: &parts };
        let (old, new) = (installed(&[("base-files", "1")]), installed(&[("base-files", "2")]));
        let judge = |revision, has| is_rebuilt(revision, "r2-b", has, Some(&available));
        assert!(judge(Some("r1-a"), &new) && !judge(Some("r2-b"), &old));
        assert!(judge(None, &old) && !judge(None, &new));
        assert!(!judge(Some(""), &BTreeMap::new()));
        assert!(!is_rebuilt(None, "r2-b", &old, None));
    }

    proptest! {
        #[test]
        fn upgrades_are_exactly_the_packages_with_another_version(
            on_device in proptest::collection::btree_map("[a-e]", "[12]", 0..6),
            offered in proptest::collection::btree_map("[a-e]", "[12]", 0..6),
        ) {
            let list: Vec<(&str, &str)> =
                offered.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
            let index = names(&list);
            let parts = [Arc::new(index)];
        let available = Available { parts: &parts };
            let found = upgrades(&on_device, &available);
            for (name, current) in &on_device {
                let expected = offered.get(name).filter(|new| *new != current);
                let pair = found.get(name.as_str());
                prop_assert_eq!(pair.map(|pair| pair[0]), expected.map(String::as_str));
                prop_assert!(pair.is_none_or(|pair| pair[1] == current));
            }
            prop_assert!(found.len() <= on_device.len());
        }
    }
}
