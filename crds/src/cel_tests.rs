//! Tests of the CEL rules, evaluated in Rust. `tests/tests/crds_on_a_real_api_server.rs` checks them on
//! a real API server.

use std::collections::BTreeMap;

use crate::{
    examples::{build, cache, distribution},
    *,
};

/// The rules that `result` reports as broken; a rule that cannot be evaluated fails the test.
fn broken(result: Result<(), kube::core::cel::ValidationErrors>) -> Vec<String> {
    let text = match result {
        Ok(()) => return vec![],
        Err(errors) => format!("{errors:?}"),
    };
    assert!(!text.contains("EvaluationError") && !text.contains("NoSuchKey"), "{text}");
    vec![text]
}

#[test]
fn the_examples_break_no_rule() {
    assert!(broken(build().validate_cel()).is_empty());
    assert!(broken(cache().validate_cel()).is_empty());
    assert!(broken(distribution().validate_cel()).is_empty());
    assert!(broken(build().validate_cel_update(&build())).is_empty());
    assert!(broken(cache().validate_cel_update(&cache())).is_empty());
}

#[test]
fn a_request_cannot_be_changed() {
    let changes: [fn(&mut FirmwareBuild); 3] = [
        |b| b.spec.request.profile = "other".into(),
        |b| b.spec.request_hash = "b".repeat(64),
        |b| {
            b.spec.validated = Some(Validated {
                catalog_revision: 1,
                version_code: "r1".into(),
                image_builder_sha256: "a".repeat(64),
            });
        },
    ];
    for change in changes {
        let mut edited = build();
        change(&mut edited);
        assert!(!broken(edited.validate_cel_update(&build())).is_empty());
    }
}

#[test]
fn priority_and_retention_can_be_changed() {
    let mut edited = build();
    edited.spec.priority = BuildPriority::High;
    edited.spec.retention = Some(Retention { keep_seconds: 3600 });
    assert!(broken(edited.validate_cel_update(&build())).is_empty());
}

#[test]
fn a_build_can_be_cancelled_but_not_revived() {
    let mut cancelled = build();
    cancelled.spec.cancel = true;
    assert!(broken(cancelled.validate_cel_update(&build())).is_empty());
    assert!(!broken(build().validate_cel_update(&cancelled)).is_empty());
}

#[test]
fn names_and_versions_of_packages_exclude_each_other() {
    let mut both = build();
    both.spec.request.packages = vec!["luci".into()];
    assert!(broken(both.validate_cel()).is_empty());
    both.spec.request.packages_versions = BTreeMap::from([("luci".into(), "1".into())]);
    assert!(!broken(both.validate_cel()).is_empty());
}

#[test]
fn the_identity_of_a_cache_cannot_be_changed() {
    let changes: [fn(&mut ImageBuilderCacheSpec); 4] = [
        |s| s.distribution = "other".into(),
        |s| s.version = "24.10.6".into(),
        |s| s.target = "ath79/nand".into(),
        |s| s.sha256 = "b".repeat(64),
    ];
    for change in changes {
        let mut edited = cache();
        change(&mut edited.spec);
        assert!(!broken(edited.validate_cel_update(&cache())).is_empty());
    }
    let mut pinned = cache();
    pinned.spec.pinned = true;
    assert!(broken(pinned.validate_cel_update(&cache())).is_empty());
}

#[test]
fn required_signatures_need_a_key() {
    let mut unsigned = distribution();
    for branch in &mut unsigned.spec.branches {
        branch.keys.clear();
    }
    assert!(!broken(unsigned.validate_cel()).is_empty());
    for branch in &mut unsigned.spec.branches {
        branch.signatures = Signatures::NotChecked;
    }
    assert!(broken(unsigned.validate_cel()).is_empty());
}

#[test]
fn a_distribution_has_either_an_upstream_or_a_parent() {
    let parent = || Some(Parent { distribution: "openwrt".into() });
    let mut both = distribution();
    both.spec.parent = parent();
    assert!(!broken(both.validate_cel()).is_empty());
    let mut child = distribution();
    child.spec.upstream = None;
    assert!(!broken(child.validate_cel()).is_empty(), "neither");
    child.spec.parent = parent();
    child.spec.default_packages = vec!["mesh".into()];
    for branch in &mut child.spec.branches {
        branch.keys.clear();
    }
    assert_eq!(broken(child.validate_cel()), [""; 0]);
    let mut orphan = distribution();
    orphan.spec.default_packages = vec!["mesh".into()];
    assert!(!broken(orphan.validate_cel()).is_empty(), "own packages need a parent");
}

#[test]
fn several_versions_need_a_placeholder_in_the_path() {
    let mut fixed = distribution();
    for branch in &mut fixed.spec.branches {
        branch.path = "snapshots".into();
    }
    assert!(!broken(fixed.validate_cel()).is_empty());
    for branch in &mut fixed.spec.branches {
        branch.versions.truncate(1);
    }
    assert!(broken(fixed.validate_cel()).is_empty());
}

#[test]
fn a_package_edit_has_an_action() {
    let with = |edit: PackageEdit| {
        let mut edited = distribution();
        edited.spec.package_edits = vec![edit];
        broken(edited.validate_cel())
    };
    let none = PackageEdit { versions: vec!["24.10*".into()], ..PackageEdit::default() };
    assert!(!with(none.clone()).is_empty());
    let rename =
        |to: &str| Some(RenamePrefix { from: "luci-i18n-opkg-".into(), to: to.to_owned() });
    let to = "luci-i18n-package-manager-";
    for action in [
        PackageEdit { add: vec!["fitblk".into()], ..none.clone() },
        PackageEdit { remove: vec!["luci-i18n-*-en".into()], ..none.clone() },
        PackageEdit { rename_prefix: rename(to), ..none.clone() },
    ] {
        assert_eq!(with(action), [""; 0]);
    }
    let endless = PackageEdit { rename_prefix: rename("luci-i18n-opkg-x-"), ..none };
    assert!(!with(endless).is_empty());
}

#[test]
fn the_generated_yaml_is_committed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/generated");
    for (file, text) in yaml_files().unwrap() {
        let committed = std::fs::read_to_string(format!("{folder}/{file}")).unwrap_or_default();
        assert!(committed == text, "{file} is out of date: run `cargo xtask crdgen`");
    }
}
