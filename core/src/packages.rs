//! The package list for make, package changes, and the comparison of the installed packages with the
//! request. Called by the builder and, for package changes, by the validation of requests.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::PackageChange,
    digest::Digest,
    failure::{Failure, FailureReason},
    names::PackageSpec,
    request::Request,
};

/// make's argument PACKAGES, in order. With `diff_packages` the request lists all packages of the
/// image: every default and profile package that it does not contain is removed, in sorted order,
/// before the requested packages.
pub fn effective(
    request: &Request,
    defaults: &[PackageSpec],
    profile: &[PackageSpec],
) -> Vec<PackageSpec> {
    let requested = request.requested_packages();
    let mut list: Vec<PackageSpec> = Vec::new();
    if request.diff_packages {
        let wanted: BTreeSet<&str> = requested.iter().map(|package| package.as_str()).collect();
        let removals: BTreeSet<PackageSpec> = defaults
            .iter()
            .chain(profile)
            .filter(|package| {
                !wanted.contains(package.as_str()) && !wanted.contains(package.name())
            })
            .map(PackageSpec::removal)
            .collect();
        list.extend(removals);
    }
    for package in requested {
        if !list.contains(package) {
            list.push(package.clone());
        }
    }
    list
}

/// Value of make's argument EXTRA_IMAGE_NAME: the first 12 digits of a hash over the sorted packages,
/// so that files of different package sets have different names.
pub fn image_name_part(packages: &[PackageSpec]) -> String {
    let sorted: BTreeSet<&str> = packages.iter().map(PackageSpec::as_str).collect();
    let joined = sorted.into_iter().collect::<Vec<_>>().join(" ");
    Digest::of(joined.as_bytes()).to_string().chars().take(12).collect()
}

/// The number of a revision: 29197 of `r29197-ab4c7d6af7` or `r29197+2-ab4c7d6af7`.
pub fn revision_number(revision: &str) -> Option<u32> {
    let digits: String =
        revision.strip_prefix('r')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Applies the package changes up to `revision` to the request: in `packages` and `packages_versions`,
/// renamed packages get their new name and dropped ones are left out. A removal (`-name`) is renamed
/// too, and stays when its package was dropped. `branch_off` is the revision at which a branch left
/// development. Revision numbers of the branch continue from there, but later changes of development
/// do not apply to it.
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
    // Without a readable revision, the version is at least as new as the start of its branch.
    let Some(number) = revision_number(revision).or(branch_off) else {
        return request;
    };
    let number = branch_off.map_or(number, |off| number.min(off));
    let mut ordered: Vec<&PackageChange> =
        changes.iter().filter(|change| change.revision <= number).collect();
    ordered.sort_by_key(|change| change.revision);
    request.packages =
        request.packages.iter().filter_map(|package| renamed(package, &ordered)).collect();
    let mut versions = BTreeMap::new();
    for (package, version) in request.packages_versions {
        match renamed(&package, &ordered) {
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

fn renamed(package: &PackageSpec, changes: &[&PackageChange]) -> Option<PackageSpec> {
    let mut renamed = package.clone();
    for change in changes {
        if change.source.as_str() == renamed.name() {
            match &change.target {
                Some(target) if package.is_removal() => renamed = target.removal(),
                Some(target) => renamed.clone_from(target),
                None if package.is_removal() => {}
                None => return None,
            }
        }
    }
    Some(renamed)
}

/// Parses the output of `make manifest`: `name - version` lines, or `name version` in some early apk
/// trees. Other lines are skipped.
pub fn parse_manifest(text: &str) -> BTreeMap<String, String> {
    let dashed = text.contains(" - ");
    text.lines()
        .filter_map(|line| {
            let (name, version) =
                if dashed { line.split_once(" - ")? } else { line.split_once(' ')? };
            let (name, version) = (name.trim(), version.trim());
            let fits = name.parse::<PackageSpec>().is_ok()
                && !version.is_empty()
                && !version.contains(char::is_whitespace);
            fits.then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// Compares the manifest with the package versions of the request.
///
/// # Errors
/// [`FailureReason::PackageVersion`] with the first difference.
pub fn check_versions(
    asked: &BTreeMap<PackageSpec, String>,
    manifest: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for (name, version) in asked.iter().filter(|(package, _)| !package.is_removal()) {
        let problem = match manifest.get(name.as_str()) {
            None => format!("{name} not in manifest"),
            Some(found) if found != version => {
                format!("{name} version not as requested: {version} vs. {found}")
            }
            Some(_) => continue,
        };
        return Err(Failure::new(
            FailureReason::PackageVersion,
            format!("Impossible package selection: {problem}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::tests::example;

    fn names(list: &[&str]) -> Vec<PackageSpec> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn without_diff_packages_make_gets_only_the_requested_packages() {
        assert_eq!(
            effective(&example(), &names(&["base-files"]), &names(&["kmod-x"])),
            ["luci", "vim"]
        );
    }

    #[test]
    fn with_diff_packages_every_other_default_package_is_removed() {
        let mut request = example();
        request.diff_packages = true;
        let defaults = names(&["dnsmasq", "base-files", "luci"]);
        let profile = names(&["-swconfig", "kmod-x", "base-files"]);
        assert_eq!(
            effective(&request, &defaults, &profile),
            ["-base-files", "-dnsmasq", "-kmod-x", "-swconfig", "luci", "vim"]
        );
    }

    #[test]
    fn a_requested_package_is_installed_although_the_profile_removes_it() {
        let mut request = example();
        request.diff_packages = true;
        assert_eq!(effective(&request, &[], &names(&["-luci"])), ["luci", "vim"]);
    }

    fn change(source: &str, target: Option<&str>, revision: u32) -> PackageChange {
        PackageChange {
            source: source.parse().unwrap(),
            target: target.map(|name| name.parse().unwrap()),
            revision,
            mandatory: false,
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

    #[test]
    fn both_kinds_of_manifest_lines_are_read() {
        let expected = BTreeMap::from([("libgcc".to_owned(), "13.3.0-r4".to_owned())]);
        assert_eq!(parse_manifest("libgcc - 13.3.0-r4\n"), expected);
        assert_eq!(parse_manifest("libgcc 13.3.0-r4\n"), expected);
        assert!(parse_manifest("$(x) - 1\n").is_empty());
    }

    #[test]
    fn another_version_than_requested_is_a_failure() {
        let asked = BTreeMap::from([("vim".parse().unwrap(), "9".to_owned())]);
        let has = |version: &str| BTreeMap::from([("vim".to_owned(), version.to_owned())]);
        assert_eq!(check_versions(&asked, &has("9")), Ok(()));
        assert_eq!(
            check_versions(&asked, &has("8")).unwrap_err().detail,
            "Impossible package selection: vim version not as requested: 9 vs. 8"
        );
        assert_eq!(
            check_versions(&asked, &BTreeMap::new()).unwrap_err().detail,
            "Impossible package selection: vim not in manifest"
        );
    }

    proptest! {
        #[test]
        fn diff_packages_never_removes_a_requested_package(
            wanted in proptest::collection::btree_set("[a-d]{1,2}", 0..5),
            defaults in proptest::collection::vec("-?[a-d]{1,2}", 0..6),
        ) {
            let mut request = example();
            request.diff_packages = true;
            request.packages = wanted.iter().map(|name| name.parse().unwrap()).collect();
            let defaults: Vec<PackageSpec> =
                defaults.iter().map(|name| name.parse().unwrap()).collect();
            let list = effective(&request, &defaults, &[]);
            for package in &request.packages {
                prop_assert!(list.contains(package));
                prop_assert!(!list.contains(&package.removal()));
            }
            for package in &defaults {
                prop_assert!(wanted.contains(package.name()) || list.contains(&package.removal()));
            }
        }

        #[test]
        fn the_image_name_part_does_not_depend_on_order(names in proptest::collection::vec("[a-z]{1,4}", 0..6)) {
            let mut list: Vec<PackageSpec> =
                names.iter().map(|name| name.parse().unwrap()).collect();
            let part = image_name_part(&list);
            list.reverse();
            prop_assert_eq!(part.len(), 12);
            prop_assert_eq!(part, image_name_part(&list));
        }
    }
}
