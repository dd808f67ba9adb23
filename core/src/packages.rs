//! Which packages make is given, and whether what it installed is what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::PackageChange,
    digest::Sha256Hex,
    failure::{Failure, FailureReason},
    request::Request,
};

/// The PACKAGES argument, in order. With `diff_packages` the request is the absolute set: every
/// default and profile package that it does not name is removed, in sorted order, before the
/// requested ones (reference: `v1-api.md` §4.6).
pub fn effective(request: &Request, defaults: &[String], profile: &[String]) -> Vec<String> {
    let requested = request.requested_packages();
    let mut list: Vec<String> = Vec::new();
    if request.diff_packages {
        let wanted: BTreeSet<&str> = requested.iter().copied().collect();
        let removals: BTreeSet<String> = defaults
            .iter()
            .chain(profile)
            .filter(|name| !wanted.contains(name.as_str()))
            .map(|name| format!("-{}", name.trim_start_matches('-')))
            .filter(|name| !wanted.contains(name.trim_start_matches('-')))
            .collect();
        list.extend(removals);
    }
    for name in requested {
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
    }
    list
}

/// Text for EXTRA_IMAGE_NAME: the first 12 digits of a hash over the sorted packages, so that
/// files of different package sets have different names.
pub fn image_name_part(packages: &[String]) -> String {
    let sorted: BTreeSet<&str> = packages.iter().map(String::as_str).collect();
    let joined = sorted.into_iter().collect::<Vec<_>>().join(" ");
    let digest = Sha256Hex::of(joined.as_bytes());
    digest.as_str().chars().take(12).collect()
}

/// Number of a revision such as `r29197-ab4c7d6af7` or `r29197+2-ab4c7d6af7`.
pub fn revision_number(revision: &str) -> Option<u32> {
    let digits: String =
        revision.strip_prefix('r')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The names after the changes that hold at `revision`: renamed ones under their new name, dropped
/// ones left out. A removal (`-name`) is renamed too, and stays when its package was dropped. A
/// branch goes on counting after the revision at which it left development, `branch_off`, and has none
/// of the changes that came there since.
pub fn apply_changes(
    packages: &BTreeSet<String>,
    changes: &[PackageChange],
    revision: &str,
    branch_off: Option<u32>,
) -> BTreeSet<String> {
    let Some(number) = revision_number(revision) else {
        return packages.clone();
    };
    let number = branch_off.map_or(number, |off| number.min(off));
    let mut ordered: Vec<&PackageChange> =
        changes.iter().filter(|change| change.revision <= number).collect();
    ordered.sort_by_key(|change| change.revision);
    packages.iter().filter_map(|package| renamed(package, &ordered)).collect()
}

fn renamed(package: &str, changes: &[&PackageChange]) -> Option<String> {
    let removal = package.starts_with('-');
    let mut name = package.trim_start_matches('-').to_owned();
    for change in changes {
        if change.source == name {
            match &change.target {
                Some(target) => name.clone_from(target),
                None if removal => {}
                None => return None,
            }
        }
    }
    Some(if removal { format!("-{name}") } else { name })
}

/// Reads the lines of `make manifest`: `name - version`, or `name version` in some early apk trees.
/// Other lines are skipped.
pub fn parse_manifest(text: &str) -> BTreeMap<String, String> {
    let dashed = text.contains(" - ");
    text.lines()
        .filter_map(|line| {
            let (name, version) =
                if dashed { line.split_once(" - ")? } else { line.split_once(' ')? };
            let (name, version) = (name.trim(), version.trim());
            let fits = crate::request::is_package(name)
                && !version.is_empty()
                && !version.contains(char::is_whitespace);
            fits.then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// Compares the manifest with the versions that the request insists on.
///
/// # Errors
/// [`FailureReason::PackageVersion`] with the first difference.
pub fn check_versions(
    asked: &BTreeMap<String, String>,
    manifest: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for (name, version) in asked.iter().filter(|(name, _)| !name.starts_with('-')) {
        let problem = match manifest.get(name) {
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

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_plain_request_only_names_its_own_packages() {
        assert_eq!(
            effective(&example(), &names(&["base-files"]), &names(&["kmod-x"])),
            ["luci", "vim"]
        );
    }

    #[test]
    fn an_absolute_set_removes_every_other_default() {
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
    fn a_package_that_the_profile_removes_and_the_request_names_stays() {
        let mut request = example();
        request.diff_packages = true;
        assert_eq!(effective(&request, &[], &names(&["-luci"])), ["luci", "vim"]);
    }

    fn change(source: &str, target: Option<&str>, revision: u32) -> PackageChange {
        PackageChange {
            source: source.into(),
            target: target.map(str::to_owned),
            revision,
            mandatory: false,
        }
    }

    #[test]
    fn changes_hold_from_their_revision_and_chain() {
        let changes =
            [change("b", Some("c"), 20), change("a", Some("b"), 10), change("gone", None, 10)];
        let before: BTreeSet<String> = ["a", "gone", "-gone", "-a", "x"].map(String::from).into();
        let at = |revision| apply_changes(&before, &changes, revision, None);
        assert_eq!(at("r5-a"), before);
        assert_eq!(at("r10-a"), ["b", "-gone", "-b", "x"].map(String::from).into());
        assert_eq!(at("r20-a"), ["c", "-gone", "-c", "x"].map(String::from).into());
    }

    #[test]
    fn a_release_has_no_change_of_the_time_after_its_branch_left_development() {
        let changes = [change("opkg", Some("apk"), 20), change("a", Some("b"), 10)];
        let before: BTreeSet<String> = ["opkg", "a"].map(String::from).into();
        let released = apply_changes(&before, &changes, "r29-a", Some(15));
        assert_eq!(released, ["opkg", "b"].map(String::from).into());
        assert_eq!(apply_changes(&before, &changes, "r5-a", Some(15)), before);
    }

    #[test]
    fn both_kinds_of_manifest_lines_are_read() {
        let expected = BTreeMap::from([("libgcc".to_owned(), "13.3.0-r4".to_owned())]);
        assert_eq!(parse_manifest("libgcc - 13.3.0-r4\n"), expected);
        assert_eq!(parse_manifest("libgcc 13.3.0-r4\n"), expected);
        assert!(parse_manifest("$(x) - 1\n").is_empty());
    }

    #[test]
    fn another_version_than_asked_for_fails() {
        let asked = BTreeMap::from([("vim".to_owned(), "9".to_owned())]);
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
        fn an_absolute_set_never_removes_what_it_names(
            wanted in proptest::collection::btree_set("[a-d]{1,2}", 0..5),
            defaults in proptest::collection::vec("-?[a-d]{1,2}", 0..6),
        ) {
            let mut request = example();
            request.diff_packages = true;
            request.packages = wanted.clone();
            let list = effective(&request, &defaults, &[]);
            for name in &wanted {
                prop_assert!(list.contains(name));
                let removal = format!("-{name}");
                prop_assert!(!list.contains(&removal));
            }
            for name in &defaults {
                let bare = name.trim_start_matches('-');
                let removal = format!("-{bare}");
                prop_assert!(wanted.contains(bare) || list.contains(&removal));
            }
        }

        #[test]
        fn the_image_name_part_does_not_depend_on_order(mut list in proptest::collection::vec("[a-z]{1,4}", 0..6)) {
            let part = image_name_part(&list);
            list.reverse();
            prop_assert_eq!(part.len(), 12);
            prop_assert_eq!(part, image_name_part(&list));
        }
    }
}
