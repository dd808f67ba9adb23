use proptest::prelude::*;

use super::*;
use crate::{packages::effective, request::tests::example};

fn names(list: &[&str]) -> Vec<PackageSpec> {
    list.iter().map(|name| name.parse().unwrap()).collect()
}

fn patterns(list: &[&str]) -> Vec<Pattern> {
    list.iter().map(|text| Pattern::new(text)).collect()
}

fn add(list: &[&str]) -> PackageEdit {
    PackageEdit { add: names(list), ..PackageEdit::default() }
}

fn remove(list: &[&str]) -> PackageEdit {
    PackageEdit { remove: patterns(list), ..PackageEdit::default() }
}

fn rename(from: &str, to: &str) -> PackageEdit {
    let rename = PrefixRename::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
    PackageEdit { rename_prefix: Some(rename), ..PackageEdit::default() }
}

fn request(packages: &[&str]) -> Request {
    Request { packages: names(packages), ..example() }
}

/// A request that insists on version 1 of the packages.
fn versioned(packages: &[&str]) -> Request {
    let versions = names(packages).into_iter().map(|package| (package, "1".to_owned()));
    Request { packages_versions: versions.collect(), ..request(packages) }.canonical()
}

fn edited(packages: &[&str], edits: &[PackageEdit]) -> Vec<PackageSpec> {
    apply_edits(request(packages), edits).request.packages
}

#[test]
fn a_rule_needs_a_fitting_version_target_and_profile() {
    let all = PackageEdit {
        versions: patterns(&["23.05*", "24.10*"]),
        targets: ["x86/64", "ath79/*"].map(|target| target.parse().unwrap()).into(),
        profiles: ["8dev_carambola2".parse().unwrap()].into(),
        ..add(&["a"])
    };
    assert!(all.concerns(&example()));
    assert!(add(&["a"]).concerns(&example()));
    for other in [
        PackageEdit { versions: patterns(&["24.1", "SNAPSHOT"]), ..all.clone() },
        PackageEdit { targets: vec!["ath79/nand".parse().unwrap()], ..all.clone() },
        PackageEdit { targets: vec!["ath/*".parse().unwrap()], ..all.clone() },
        PackageEdit { profiles: ["generic".parse().unwrap()].into(), ..all.clone() },
    ] {
        assert!(!other.concerns(&example()), "{other:?}");
        assert_eq!(edited(&["vim"], &[other]), ["vim"]);
    }
}

#[test]
fn a_pattern_of_targets_is_a_target_or_all_of_a_board() {
    for bad in ["*", "*/*", "ath79", "/*", "ath79/gen*", "a/b/*", "$(id)/*"] {
        assert!(bad.parse::<TargetPattern>().is_err(), "{bad}");
    }
}

#[test]
fn a_package_is_added_once_and_at_the_end() {
    assert_eq!(edited(&["vim"], &[add(&["b", "a", "b"])]), ["vim", "b", "a"]);
    assert_eq!(edited(&["a", "vim"], &[add(&["a"])]), ["a", "vim"]);
}

#[test]
fn what_the_user_removes_is_not_added_even_after_its_removal_was_renamed() {
    let list = edited(&["-a1", "vim"], &[rename("a", "b"), add(&["a1", "b1"])]);
    assert_eq!(list, ["-b1", "vim"]);
}

#[test]
fn removals_of_the_user_are_renamed_and_never_removed() {
    let edits = [rename("i18n-opkg-", "i18n-package-manager-"), remove(&["i18n-*-en", "gone"])];
    let list = ["-gone", "gone", "i18n-opkg-de", "-i18n-opkg-en", "i18n-x-en", "i18n-en"];
    let expected = ["-gone", "i18n-package-manager-de", "-i18n-package-manager-en", "i18n-en"];
    assert_eq!(edited(&list, &edits), expected);
}

#[test]
fn rules_apply_in_order_and_see_what_the_ones_before_left() {
    assert_eq!(edited(&["vim"], &[add(&["a"]), remove(&["a"])]), ["vim"]);
    assert_eq!(edited(&["vim"], &[remove(&["a"]), add(&["a"])]), ["vim", "a"]);
    assert_eq!(edited(&["a1"], &[rename("a", "b"), remove(&["b*"])]), [""; 0]);
    assert_eq!(edited(&["a1"], &[remove(&["b*"]), rename("a", "b")]), ["b1"]);
}

#[test]
fn a_rename_never_applies_to_its_own_result() {
    let [from, to] = ["opkg-", "opkg-x-"].map(|name| name.parse().unwrap());
    assert!(PrefixRename::new(from, to).is_err());
}

#[test]
fn versions_follow_renamed_packages_and_leave_with_removed_ones() {
    let edits = [rename("old-", "new-"), remove(&["gone"])];
    let Edited { request, .. } = apply_edits(versioned(&["gone", "old-a", "-old-b"]), &edits);
    assert_eq!(request, versioned(&["new-a", "-new-b"]));
    let mut both = versioned(&["old-a", "new-a"]);
    both.packages_versions.insert("new-a".parse().unwrap(), "2".into());
    let Edited { request, .. } = apply_edits(both, &edits);
    assert_eq!(request.packages, ["new-a"]);
    assert_eq!(request.packages_versions["new-a"], "2");
}

#[test]
fn an_added_package_has_no_version_and_is_installed_beside_packages_with_versions() {
    let Edited { request, .. } = apply_edits(versioned(&["vim"]), &[add(&["fitblk"])]);
    assert_eq!(request.packages_versions, versioned(&["vim"]).packages_versions);
    assert_eq!(effective(&request, &[], &[]), ["vim", "fitblk"]);
}

#[test]
fn an_added_package_is_a_part_of_an_absolute_set_and_a_removed_one_is_not() {
    for request in [request(&["vim", "gone"]), versioned(&["vim", "gone"])] {
        let request = Request { diff_packages: true, ..request };
        let edits = [add(&["fitblk"]), remove(&["gone"])];
        let Edited { request, .. } = apply_edits(request, &edits);
        let defaults = names(&["fitblk", "gone", "dnsmasq"]);
        assert_eq!(effective(&request, &defaults, &[]), ["-dnsmasq", "-gone", "vim", "fitblk"]);
    }
}

#[test]
fn the_changes_are_the_difference_between_the_request_and_its_result() {
    let edits =
        [add(&["c", "d"]), rename("a", "b"), remove(&["x*", "d"]), rename("b", "z"), add(&["x1"])];
    let done = apply_edits(request(&["a1", "x1", "x2", "vim", "z2", "b2"]), &edits);
    assert_eq!(done.request.packages, ["z1", "vim", "z2", "c", "x1"]);
    assert_eq!(done.added, ["c"]);
    assert_eq!(done.removed, ["x2"]);
    let pair = |old: &str, new: &str| (old.parse().unwrap(), new.parse().unwrap());
    assert_eq!(done.renamed, [pair("a1", "z1"), pair("b2", "z2")]);
    assert_eq!(
        done.notes(),
        [
            "added c (24.10.7, ath79/generic)",
            "removed x2 (24.10.7, ath79/generic)",
            "renamed a1 to z1, b2 to z2 (24.10.7, ath79/generic)",
        ]
    );
}

#[test]
fn notes_are_short_however_many_packages_were_changed() {
    let many: Vec<String> = (0..1000).map(|n| format!("a{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let notes = apply_edits(request(&many), &[remove(&["a*"])]).notes();
    assert!(notes[0].ends_with(", a31 and 968 more (24.10.7, ath79/generic)"), "{notes:?}");
    assert!(apply_edits(example(), &[]).notes().is_empty());
}

fn specs(regex: &'static str, most: usize) -> impl Strategy<Value = Vec<PackageSpec>> {
    proptest::collection::vec(regex, 0..most)
        .prop_map(|list| list.iter().map(|name| name.parse().unwrap()).collect())
}

/// Any rule that adds `added`, removes `removed` and renames `from` to `to`.
fn rules(
    added: &'static str,
    removed: &'static str,
    from: &'static str,
    to: &'static str,
) -> impl Strategy<Value = Vec<PackageEdit>> {
    let removed = proptest::collection::vec(removed, 0..3)
        .prop_map(|list| list.iter().map(|text| Pattern::new(text)).collect());
    let renamed = proptest::option::of((from, to)).prop_map(|pair| {
        let (from, to) = pair?;
        PrefixRename::new(from.parse().unwrap(), to.parse().unwrap()).ok()
    });
    let rule = (specs(added, 3), removed, renamed).prop_map(|(add, remove, rename_prefix)| {
        PackageEdit { remove, rename_prefix, add, ..PackageEdit::default() }
    });
    proptest::collection::vec(rule, 0..5)
}

fn requests() -> impl Strategy<Value = Request> {
    (specs("-?[a-d][a-d]?", 8), any::<bool>()).prop_map(|(packages, versions)| {
        let asked = if versions { packages.clone() } else { Vec::new() };
        let packages_versions = asked.into_iter().map(|name| (name, "1".to_owned())).collect();
        Request { packages, packages_versions, ..example() }.canonical()
    })
}

proptest! {
    #[test]
    fn applying_twice_changes_nothing_if_no_rule_applies_to_what_a_later_one_made(
        request in requests(), edits in rules("[y-z]", "[a-dy-z]\\*?", "[a-c]", "[p-q]"),
    ) {
        let once = apply_edits(request, &edits).request;
        let twice = apply_edits(once.clone(), &edits);
        let set = |request: &Request| request.packages.iter().cloned().collect::<BTreeSet<_>>();
        prop_assert_eq!(set(&twice.request), set(&once));
        prop_assert_eq!(&twice.request.packages_versions, &once.packages_versions);
        prop_assert!(twice.notes().is_empty(), "{:?}", twice);
    }

    #[test]
    fn nothing_is_added_that_the_user_removes(
        request in requests(), edits in rules("[a-d][a-d]?", "[a-d]\\*?", "[a-d]", "[a-d]"),
    ) {
        let done = apply_edits(request.clone(), &edits);
        for package in &done.added {
            prop_assert!(!request.packages.contains(&package.removal()));
        }
    }

    #[test]
    fn rules_in_order_are_each_applied_to_the_result_of_the_ones_before(
        request in requests(), edits in rules("[a-d][a-d]?", "[a-d]\\*?", "[x]", "[a-d]"),
    ) {
        let mut step = request.clone();
        for edit in &edits {
            step = apply_edits(step, std::slice::from_ref(edit)).request;
        }
        prop_assert_eq!(apply_edits(request, &edits).request, step);
    }

    #[test]
    fn every_name_is_there_once_and_the_changes_account_for_all_differences(
        request in requests(), edits in rules("[a-d][a-d]?", "[a-d]\\*?", "[a-d]", "[a-d]"),
    ) {
        let done = apply_edits(request.clone(), &edits);
        let set = |list: &[PackageSpec]| list.iter().cloned().collect::<BTreeSet<_>>();
        let (before, after) = (set(&request.packages), set(&done.request.packages));
        prop_assert_eq!(after.len(), done.request.packages.len());
        let mut expected = before;
        for name in done.removed.iter().chain(done.renamed.iter().map(|(old, _)| old)) {
            prop_assert!(expected.remove(name));
        }
        expected.extend(done.renamed.iter().map(|(_, new)| new.clone()));
        expected.extend(done.added.iter().cloned());
        prop_assert_eq!(&after, &expected);
        prop_assert!(done.request.packages_versions.keys().all(|name| after.contains(name)));
    }
}
