use proptest::prelude::*;

use super::*;
use crate::request_hash::request_hash;

pub(crate) fn example() -> Request {
    Request {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        version_code: None,
        target: "ath79/generic".into(),
        profile: "8dev_carambola2".into(),
        packages: ["luci", "vim"].map(String::from).into(),
        packages_versions: BTreeMap::new(),
        diff_packages: false,
        filesystem: None,
        rootfs_size_mb: None,
        defaults: None,
        repositories: BTreeMap::new(),
        repositories_mode: RepositoriesMode::Replace,
        repository_keys: BTreeSet::new(),
    }
}

#[test]
fn every_filesystem_name_parses_back() {
    for fs in Filesystem::ALL {
        assert_eq!(Filesystem::parse(fs.as_str()), Some(fs));
        assert_eq!(serde_json::to_value(fs).unwrap(), fs.as_str());
    }
}

#[test]
fn a_mode_without_repositories_means_nothing() {
    let mut request = example();
    request.repositories_mode = RepositoriesMode::Append;
    assert_eq!(request.canonical(), example());
}

#[test]
fn versions_win_over_plain_names() {
    let mut request = example();
    request.packages_versions.insert("luci".into(), "1".into());
    let request = request.canonical();
    assert_eq!(request.packages, ["luci"]);
    assert_eq!(request.requested_packages(), ["luci"]);
}

#[test]
fn names_with_versions_keep_the_order_that_was_sent() {
    let mut request = example();
    request.packages = ["vim", "luci", "vim", "nano"].map(String::from).into();
    request.packages_versions =
        ["luci", "nano", "vim"].map(|name| (name.into(), "1".into())).into();
    assert_eq!(request.canonical().packages, ["vim", "luci", "nano"]);
}

#[test]
fn names_with_versions_and_without_an_order_are_sorted() {
    let mut request = example();
    request.packages.clear();
    request.packages_versions = ["vim", "luci"].map(|name| (name.into(), "1".into())).into();
    assert_eq!(request.canonical().packages, ["luci", "vim"]);
}

#[test]
fn make_and_shell_syntax_is_never_a_package() {
    for bad in ["$(shell id)", "a b", "a;b", "a=1", "", "-", "--x", "a\n", "`id`", "a/b", "@x"] {
        assert!(!is_package(bad), "{bad:?}");
    }
    for good in ["luci", "-ppp", "libstdc++6", "kmod-usb2", "libubox20240329"] {
        assert!(is_package(good), "{good:?}");
    }
}

#[test]
fn the_minus_of_a_removal_counts_as_a_part_of_the_name() {
    let name = "a".repeat(MAX_PACKAGE_NAME);
    assert!(is_package(&name) && !is_package(&format!("-{name}")));
    assert!(is_package(&format!("-{}", &name[1..])));
}

#[test]
fn a_tree_with_commits_of_its_own_has_a_revision() {
    for good in ["r29197-ab4c7d6af7", "r28597+12-abcdef", "unknown"] {
        let request = Request { version_code: Some(good.into()), ..example() };
        assert_eq!(check(&request), Ok(()), "{good}");
    }
    for bad in ["+1", "-r1", "r1 -a", "r1..a", "r1/a", "r1$(id)", ""] {
        assert!(!is_revision(bad), "{bad:?}");
    }
}

#[test]
fn package_names_fit_together_into_one_argument_of_a_program() {
    let mut request = example();
    let long = |n: usize| format!("{n:0>127}");
    request.packages = (0..512).map(long).collect();
    assert_eq!(check(&request), Ok(()));
    request.packages.push("a".to_owned());
    assert_eq!(check(&request).unwrap_err().field, "packages");
}

#[test]
fn a_whole_request_fits_into_an_annotation_of_its_pod() {
    let mut request = example();
    let version = "1".repeat(128);
    let named = |n: usize| (format!("{n:0>60}"), version.clone());
    request.packages_versions = (0..400).map(named).collect();
    assert_eq!(check(&request), Ok(()));
    request.packages_versions = (0..1000).map(named).collect();
    assert_eq!(check(&request).unwrap_err().field, "request");
}

proptest! {
    #[test]
    fn what_passes_as_a_package_has_no_character_that_make_expands(name in ".{0,40}") {
        if is_package(&name) {
            prop_assert!(!name.contains(['$', '(', ')', '`', ' ', '\t', '\n', '\'', '"', '\\', '#', ':', '=', ';', '&', '|', '<', '>', '*', '?', '/']));
        }
    }

    #[test]
    fn canonical_is_idempotent(names in proptest::collection::vec("[a-c]{1,2}", 0..9), code in "[a-z0-9]{0,4}") {
        let mut request = example();
        request.packages = names;
        request.version_code = Some(code);
        let once = request.canonical();
        prop_assert_eq!(once.clone().canonical(), once);
    }

    #[test]
    fn the_hash_is_over_the_set_of_packages_and_the_list_keeps_their_first_places(
        names in proptest::collection::vec("[a-d]{1,2}", 0..9), versions in any::<bool>(),
    ) {
        let with = |list: Vec<String>| {
            let mut request = example();
            if versions {
                request.packages_versions =
                    list.iter().map(|name| (name.clone(), "1".to_owned())).collect();
            }
            Request { packages: list, ..request }.canonical()
        };
        let request = with(names.clone());
        let mut turned = names.clone();
        turned.reverse();
        prop_assert_eq!(request_hash(&with(turned)), request_hash(&request));
        let mut first = Vec::new();
        for name in names {
            if !first.contains(&name) {
                first.push(name);
            }
        }
        prop_assert_eq!(request.packages, first);
    }
}
