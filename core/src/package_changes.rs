//! Package changes: packages that upstream renamed or dropped. They are published to clients, and applied to
//! what clients ask for, so that an old list of packages still works with a new version. Called when requests
//! are accepted.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    catalog::PackageChange, names::PackageSpec, packages::revision_number, request::Request,
    version::newest_first,
};

/// Applies the package changes up to a revision, or up to the requested version, to the request: in
/// `packages` and `packages_versions`, renamed packages get their new name and dropped ones are left out. A
/// removal (`-name`) is renamed too, and stays when its package was dropped. `branch_off` is the revision at
/// which a branch left development. Revision numbers of the branch continue from there, but later changes of
/// development do not apply to it.
///
/// Changes are applied from the oldest to the newest: first those with a revision, then those with a
/// version. If a change has choices, the packages of the request as it was sent decide.
///
/// The requested version of a renamed package applies to its new name. If the request has versions for
/// both names, that of the new name is used.
#[must_use]
pub fn apply_changes(
    mut request: Request,
    changes: &[PackageChange],
    revision: &str,
    branch_off: Option<u32>,
) -> Request {
    let ordered = in_order(changes, &request.version, revision, branch_off);
    let asked: Vec<PackageSpec> = request.requested_packages().into_iter().cloned().collect();
    let renamed = |package: &PackageSpec| renamed(package, &ordered, &asked);
    request.packages = request.packages.iter().filter_map(renamed).collect();
    let mut versions = BTreeMap::new();
    for (package, version) in request.packages_versions {
        match renamed(&package) {
            Some(new) if new == package => {
                versions.insert(new, version);
            }
            Some(new) => {
                versions.entry(new).or_insert(version);
            }
            None => {}
        }
    }
    request.packages_versions = versions;
    request.canonical()
}

/// The same for a list of packages without versions, up to `revision` or `version`. Packages that get the
/// same name occur once.
pub fn changed(
    packages: &[PackageSpec],
    changes: &[PackageChange],
    version: &str,
    revision: &str,
    branch_off: Option<u32>,
) -> Vec<PackageSpec> {
    let ordered = in_order(changes, version, revision, branch_off);
    let mut list = Vec::with_capacity(packages.len());
    let mut seen = BTreeSet::new();
    for package in packages.iter().filter_map(|package| renamed(package, &ordered, packages)) {
        if seen.insert(package.clone()) {
            list.push(package);
        }
    }
    list
}

/// The changes that apply, from the oldest to the newest.
fn in_order<'a>(
    changes: &'a [PackageChange],
    version: &str,
    revision: &str,
    branch_off: Option<u32>,
) -> Vec<&'a PackageChange> {
    // Without a readable revision, the version is at least as new as the start of its branch.
    let number = revision_number(revision).or(branch_off);
    let number = number.map(|number| branch_off.map_or(number, |off| number.min(off)));
    let applies = |change: &&PackageChange| match (change.revision, &change.version) {
        (Some(since), _) => number.is_some_and(|number| since <= number),
        (None, Some(since)) => newest_first(version, since).is_le(),
        (None, None) => false,
    };
    let mut ordered: Vec<&PackageChange> = changes.iter().filter(applies).collect();
    ordered.sort_by(|a, b| oldest_first(a, b));
    ordered
}

fn oldest_first(a: &PackageChange, b: &PackageChange) -> Ordering {
    match (a.revision, b.revision) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => {
            let version = |change: &PackageChange| change.version.clone().unwrap_or_default();
            newest_first(&version(a), &version(b)).reverse()
        }
    }
}

fn renamed(
    package: &PackageSpec,
    changes: &[&PackageChange],
    asked: &[PackageSpec],
) -> Option<PackageSpec> {
    let mut renamed = package.clone();
    for change in changes {
        if change.source.as_str() != renamed.name() {
            continue;
        }
        match new_name(change, asked) {
            Some(target) if package.is_removal() => renamed = target.removal(),
            Some(target) => renamed.clone_from(target),
            None if package.is_removal() => {}
            None => return None,
        }
    }
    Some(renamed)
}

/// The new name of a change; `None` if the package was dropped.
fn new_name<'a>(change: &'a PackageChange, asked: &[PackageSpec]) -> Option<&'a PackageSpec> {
    let fits = |with: &Vec<PackageSpec>| with.iter().any(|package| asked.contains(package));
    let chosen = change.choices.iter().find(|choice| fits(&choice.with));
    chosen.map(|choice| &choice.target).or(change.target.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Choice, request::tests::example};

    fn names(list: &[&str]) -> Vec<PackageSpec> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn change(source: &str, target: Option<&str>, revision: u32) -> PackageChange {
        PackageChange {
            source: source.parse().unwrap(),
            target: target.map(|name| name.parse().unwrap()),
            revision: Some(revision),
            version: None,
            mandatory: false,
            choices: vec![],
        }
    }

    fn changed(
        list: &[&str],
        changes: &[PackageChange],
        at: &str,
        off: Option<u32>,
    ) -> Vec<PackageSpec> {
        let request = Request { packages: names(list), ..example() };
        apply_changes(request, changes, at, off).packages
    }

    #[test]
    fn changes_apply_from_their_revision_in_sequence_and_keep_the_order() {
        let changes =
            [change("b", Some("c"), 20), change("a", Some("b"), 10), change("gone", None, 10)];
        let at = |revision| changed(&["x", "gone", "-gone", "-a", "a"], &changes, revision, None);
        assert_eq!(at("r5-a"), ["x", "gone", "-gone", "-a", "a"]);
        assert_eq!(at("r10-a"), ["x", "-gone", "-b", "b"]);
        assert_eq!(at("r20-a"), ["x", "-gone", "-c", "c"]);
        assert_eq!(at("unknown"), ["x", "gone", "-gone", "-a", "a"]);
    }

    #[test]
    fn changes_after_a_branch_left_development_do_not_apply_to_it() {
        let changes = [change("opkg", Some("apk"), 20), change("a", Some("b"), 10)];
        let at = |revision| changed(&["opkg", "a"], &changes, revision, Some(15));
        assert_eq!(at("r29-a"), ["opkg", "b"]);
        assert_eq!(at("r5-a"), ["opkg", "a"]);
        assert_eq!(at("unknown"), ["opkg", "b"]);
    }

    #[test]
    fn a_renamed_package_keeps_its_version_and_a_dropped_one_loses_it() {
        let changes = [change("old", Some("new"), 10), change("gone", None, 10)];
        let versions = |pairs: &[(&str, &str)]| {
            let versions =
                pairs.iter().map(|&(name, version)| (name.parse().unwrap(), version.into()));
            let packages_versions = versions.collect();
            let request = Request { packages: vec![], packages_versions, ..example() };
            apply_changes(request.canonical(), &changes, "r10-a", None)
        };
        let request = versions(&[("gone", "1"), ("old", "2"), ("vim", "3")]);
        assert_eq!(request.packages, ["new", "vim"]);
        assert_eq!(request.packages_versions["new"], "2");
        assert_eq!(request, versions(&[("new", "2"), ("vim", "3")]));
        assert_eq!(versions(&[("new", "1"), ("old", "2")]).packages_versions["new"], "1");
    }

    fn since(version: &str, source: &str, target: Option<&str>) -> PackageChange {
        PackageChange {
            revision: None,
            version: Some(version.to_owned()),
            ..change(source, target, 0)
        }
    }

    fn changed_in(version: &str, list: &[&str], changes: &[PackageChange]) -> Vec<PackageSpec> {
        let request = Request { packages: names(list), version: version.into(), ..example() };
        apply_changes(request, changes, "unknown", None).packages
    }

    #[test]
    fn changes_of_versions_apply_from_their_version_by_version_order() {
        let changes = [since("24.10.10", "b", Some("c")), since("24.10.9", "a", Some("b"))];
        for (version, expected) in
            [("24.10.8", "a"), ("24.10.9", "b"), ("24.10.10", "c"), ("SNAPSHOT", "c")]
        {
            assert_eq!(changed_in(version, &["a"], &changes), [expected], "{version}");
        }
    }

    #[test]
    fn a_change_chooses_its_new_name_by_the_packages_of_the_request() {
        let choice = Choice {
            target: "openvpn-mbedtls".parse().unwrap(),
            with: names(&["polarssl", "mbedtls"]),
        };
        let openvpn = PackageChange {
            choices: vec![choice],
            ..since("17.01.0", "openvpn", Some("openvpn-openssl"))
        };
        let changes = [since("17.01.0", "polarssl", Some("mbedtls")), openvpn];
        let at = |list: &[&str]| changed_in("17.01.4", list, &changes);
        assert_eq!(at(&["openvpn"]), ["openvpn-openssl"]);
        assert_eq!(at(&["openvpn", "polarssl"]), ["openvpn-mbedtls", "mbedtls"]);
        assert_eq!(at(&["openvpn", "-polarssl"]), ["openvpn-openssl", "-mbedtls"]);
    }
}
