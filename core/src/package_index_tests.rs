use proptest::prelude::*;

use super::*;

fn index(packages: &[(&str, &str)]) -> PackageIndex {
    let mut index = PackageIndex::new("mips_24kc");
    for (name, version) in packages {
        index.add(name, Package::of_version(*version)).unwrap();
    }
    index
}

#[test]
fn the_higher_version_of_a_package_in_two_feeds_is_kept_in_any_order() {
    let (base, other) = (index(&[("a", "1.9-r1"), ("b", "1")]), index(&[("a", "1.10-r1")]));
    let (mut one, mut two) = (base.clone(), other.clone());
    one.merge(other).unwrap();
    two.merge(base).unwrap();
    assert_eq!(one.versions(), [("a", "1.10-r1"), ("b", "1")].into());
    assert_eq!(one, two);
}

#[test]
fn kernel_modules_are_added_to_the_packages_of_their_target() {
    let mut target = index(&[("base-files", "1620~f1c57ee107")]);
    target.merge(index(&[("kmod-usb2", "6.6.110-r1")])).unwrap();
    assert_eq!(target.versions()["kmod-usb2"], "6.6.110-r1");
    assert_eq!(target.packages().len(), 2);
}

#[test]
fn an_invalid_name_or_version_is_refused_and_the_index_is_unchanged() {
    let mut full = index(&[("a", "1")]);
    for name in ["", "../x", "-a", "a b", "a\n", &"x".repeat(1 << 20)] {
        let refused = full.add(name, Package::of_version("1")).unwrap_err();
        assert!(matches!(refused, NotAdded::Name(shown) if shown.len() <= 80), "{name}");
    }
    for version in ["", "1 2", "1/2", "é", &"1".repeat(1 << 20)] {
        let refused = full.add("b", Package::of_version(version)).unwrap_err();
        assert!(refused.to_string().len() < 200, "{refused}");
    }
    let suffixed = Package { indexed_as: Some("../x".into()), ..Package::of_version("1") };
    assert!(full.add("b", suffixed).is_err());
    assert_eq!(full, index(&[("a", "1")]));
}

#[test]
fn packages_above_the_maximum_are_refused_with_the_maximum() {
    let mut full = PackageIndex::new("x");
    let all = (0..200_000)
        .try_for_each(|number| full.add(&format!("p{number}"), Package::of_version("1")));
    assert_eq!(all, Err(NotAdded::TooMany));
    assert_eq!(NotAdded::TooMany.to_string(), "more than 100000 packages");
    assert_eq!(full.packages().len(), MAX_PACKAGES);
    full.add("p0", Package::of_version("2")).unwrap();
    assert_eq!(full.versions()["p0"], "2");
}

#[test]
fn unknown_fields_of_a_package_are_omitted_from_json() {
    let mut index = index(&[("a", "1")]);
    let known = Package {
        version: "2".into(),
        indexed_as: Some("libb20".into()),
        provides: vec!["libb".into(), "libb-any".into()],
        size: Some(7),
    };
    index.add("libb", known).unwrap();
    let text = serde_json::to_string(&index).unwrap();
    assert_eq!(
        text,
        r#"{"architecture":"mips_24kc","packages":{"a":{"version":"1"},"libb":{"version":"2","indexed_as":"libb20","provides":["libb-any"],"size":7}}}"#
    );
    assert_eq!(serde_json::from_str::<PackageIndex>(&text).unwrap(), index);
}

fn any_index() -> impl Strategy<Value = PackageIndex> {
    let package = ("[a-c]", "[0-2](\\.[0-2])?(~[a-b])?", prop::option::of(0_u64..3));
    prop::collection::vec(package, 0..6).prop_map(|packages| {
        let mut index = PackageIndex::new("x");
        for (name, version, size) in packages {
            index.add(&name, Package { size, ..Package::of_version(version) }).unwrap();
        }
        index
    })
}

fn merged(mut one: PackageIndex, two: &PackageIndex) -> PackageIndex {
    one.merge(two.clone()).unwrap();
    one
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(
        a in any_index(), b in any_index(), c in any_index()
    ) {
        prop_assert_eq!(merged(a.clone(), &b), merged(b.clone(), &a));
        prop_assert_eq!(merged(merged(a.clone(), &b), &c), merged(a.clone(), &merged(b, &c)));
        prop_assert_eq!(merged(a.clone(), &a), a);
    }

    #[test]
    fn merging_keeps_every_name_and_never_lowers_a_version(a in any_index(), b in any_index()) {
        let both = merged(a.clone(), &b);
        for (name, package) in a.packages().iter().chain(b.packages()) {
            let kept = &both.packages()[name];
            prop_assert!(package_version::compare(&kept.version, &package.version).is_ge());
        }
    }
}
