//! The package list for make, and the comparison of the installed packages with the request. Called by
//! the builder.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
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
