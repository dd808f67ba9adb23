use proptest::prelude::*;

use super::*;
use crate::request_hash::request_hash;

/// Packages with these names.
pub(crate) fn specs<const N: usize>(names: [&str; N]) -> Vec<PackageSpec> {
    names.map(|name| name.parse().unwrap()).into()
}

/// Version 1 of these packages.
fn versions<const N: usize>(names: [&str; N]) -> BTreeMap<PackageSpec, String> {
    specs(names).into_iter().map(|package| (package, "1".to_owned())).collect()
}

pub(crate) fn example() -> Request {
    Request {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        version_code: None,
        target: "ath79/generic".parse().unwrap(),
        profile: "8dev_carambola2".parse().unwrap(),
        packages: specs(["luci", "vim"]),
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
    for &fs in Filesystem::ALL {
        assert_eq!(Filesystem::parse(fs.as_str()), Some(fs));
        assert_eq!(serde_json::to_value(fs).unwrap(), fs.as_str());
    }
}

#[test]
fn a_mode_without_repositories_becomes_the_default() {
    let mut request = example();
    request.repositories_mode = RepositoriesMode::Append;
    assert_eq!(request.canonical(), example());
}

#[test]
fn names_without_a_version_are_dropped_if_there_are_versions() {
    let mut request = example();
    request.packages_versions = versions(["luci"]);
    let request = request.canonical();
    assert_eq!(request.packages, ["luci"]);
    assert_eq!(request.requested_packages(), [&specs(["luci"])[0]]);
}

#[test]
fn names_with_versions_keep_the_order_of_the_client() {
    let mut request = example();
    request.packages = specs(["vim", "luci", "vim", "nano"]);
    request.packages_versions = versions(["luci", "nano", "vim"]);
    assert_eq!(request.canonical().packages, ["vim", "luci", "nano"]);
}

#[test]
fn names_with_versions_and_without_an_order_are_sorted() {
    let mut request = example();
    request.packages.clear();
    request.packages_versions = versions(["vim", "luci"]);
    assert_eq!(request.canonical().packages, ["luci", "vim"]);
}

#[test]
fn the_maximum_length_of_a_removal_includes_its_minus() {
    let name = "a".repeat(MAX_PACKAGE_NAME);
    assert!(packages(std::slice::from_ref(&name)).is_ok());
    assert!(packages(&[format!("-{}", &name[1..])]).is_ok());
    assert_eq!(packages(&[format!("-{name}")]).unwrap_err().field, "packages");
}

#[test]
fn a_malformed_value_is_refused_with_its_field() {
    let version = ("vim".to_owned(), "$(id)".to_owned());
    let refused = [
        target("x86").unwrap_err(),
        profile("a/b").unwrap_err(),
        packages(&["$(id)".to_owned()]).unwrap_err(),
        packages_versions([(&version.0, &version.1)]).unwrap_err(),
    ];
    let fields = refused.map(|invalid| invalid.field);
    assert_eq!(fields, ["target", "profile", "packages", "packages_versions"]);
}

#[test]
fn revisions_with_local_commits_are_valid_and_unsafe_texts_are_not() {
    for good in ["r29197-ab4c7d6af7", "r28597+12-abcdef", "unknown"] {
        let request = Request { version_code: Some(good.into()), ..example() };
        assert_eq!(check(&request), Ok(()), "{good}");
    }
    for bad in ["+1", "-r1", "r1 -a", "r1..a", "r1/a", "r1$(id)", ""] {
        assert!(!is_revision(bad), "{bad:?}");
    }
}

#[test]
fn all_package_names_together_fit_into_one_argument_of_a_program() {
    let mut request = example();
    let long = |n: usize| format!("{n:0>127}").parse().unwrap();
    request.packages = (0..512).map(long).collect();
    assert_eq!(check(&request), Ok(()));
    request.packages.push("a".parse().unwrap());
    assert_eq!(check(&request).unwrap_err().field, "packages");
}

#[test]
fn a_whole_request_fits_into_an_annotation_of_its_pod() {
    let mut request = Request { packages: Vec::new(), ..example() };
    let version = "1".repeat(128);
    let named = |n: usize| (format!("{n:0>60}").parse().unwrap(), version.clone());
    request.packages_versions = (0..400).map(named).collect();
    assert_eq!(check(&request), Ok(()));
    request.packages_versions = (0..1000).map(named).collect();
    assert_eq!(check(&request).unwrap_err().field, "request");
}

proptest! {
    #[test]
    fn canonical_is_idempotent(names in proptest::collection::vec("[a-c]{1,2}", 0..9), code in "[a-z0-9]{0,4}") {
        let mut request = example();
        request.packages = names.iter().map(|name| name.parse().unwrap()).collect();
        request.version_code = Some(code);
        let once = request.canonical();
        prop_assert_eq!(once.clone().canonical(), once);
    }

    #[test]
    fn the_hash_ignores_the_order_of_packages_and_the_list_keeps_their_first_positions(
        names in proptest::collection::vec("[a-d]{1,2}", 0..9), versions in any::<bool>(),
    ) {
        let names: Vec<PackageSpec> = names.iter().map(|name| name.parse().unwrap()).collect();
        let with = |list: Vec<PackageSpec>| {
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
