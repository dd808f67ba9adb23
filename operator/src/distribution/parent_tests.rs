use asu_core::catalog::{ImageBuilder, TarballDigest, Target};
use asu_crds::{DistributionStatus, Parent, ParentVersion, examples};

use super::{super::validate::validate, *};

fn child(parent: &str) -> DistributionSpec {
    let mut spec = examples::distribution().spec;
    spec.upstream = None;
    spec.parent = Some(Parent { distribution: parent.into() });
    let branch = &mut spec.branches[0];
    branch.keys.clear();
    branch.versions = vec!["2024.2".into(), "24.10.6".into()];
    branch.parent_versions =
        vec![ParentVersion { version: "2024.2".into(), parent: "24.10.7".into() }];
    spec
}

fn parent(revision: Option<i64>) -> Distribution {
    let mut object = examples::distribution();
    object.status = Some(DistributionStatus { catalog_revision: revision, ..Default::default() });
    object
}

fn message(trouble: Option<Trouble>) -> String {
    match trouble {
        Some(Trouble::Refused(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_distribution_cannot_be_its_own_parent() {
    let found = judge("mesh", &child("mesh"), Some(&parent(Some(1))));
    assert!(message(found).contains("mesh cannot be its own parent"));
}

#[test]
fn a_parent_with_a_parent_is_refused_by_name() {
    let mut middle = parent(Some(1));
    middle.spec = child("mesh");
    let found = message(judge("mesh", &child("openwrt"), Some(&middle)));
    assert!(found.contains("openwrt has a parent itself, mesh"), "{found}");
}

#[test]
fn a_missing_parent_is_a_reason_that_names_it() {
    let reason = |parent: Option<&Distribution>| match judge("mesh", &child("openwrt"), parent) {
        Some(Trouble::Missing { reason, message }) => {
            assert!(message.contains("openwrt"), "{message}");
            reason
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(None), "ParentMissing");
    assert_eq!(reason(Some(&parent(None))), "ParentNotReady");
    assert_eq!(judge("mesh", &child("openwrt"), Some(&parent(Some(1)))), None);
    assert_eq!(judge("openwrt", &examples::distribution().spec, None), None);
}

fn base() -> Catalogued {
    let name = "a/b".parse().unwrap();
    let target = Target {
        sysupgrade: Some(true),
        name: "a/b".parse().unwrap(),
        arch: "x".into(),
        version_code: "r1-a".into(),
        source_date_epoch: 1,
        profiles: [].into_iter().collect(),
        image_builder: ImageBuilder { file: "ib".into(), sha256: TarballDigest::of(b"ib") },
    };
    let version = Version {
        name: "24.10.7".into(),
        branch: "24.10".into(),
        path: "releases/24.10.7".into(),
        snapshot: false,
        targets: BTreeMap::new(),
        ready: [(name, target)].into(),
    };
    let spec = examples::distribution().spec;
    let versions = vec![version];
    let today = jiff::civil::date(2026, 1, 1);
    let offer = super::super::offer::offer(&spec, &[], &versions, today);
    let versions = versions.into_iter().map(std::sync::Arc::new).collect();
    Catalogued { name: "openwrt".into(), revision: 1, offer, versions }
}

#[test]
fn versions_have_own_names_and_the_files_of_the_parent() {
    let (spec, base) = (child("openwrt"), base());
    let mut valid = validate(&spec).unwrap();
    complete(&mut valid.branches, &["24.10.7".to_owned()]);
    let read = inherit(&spec, &valid, Some(&base), &CatalogDocuments::default());
    let [renamed, unknown] = read.as_slice() else { panic!("{read:?}") };
    let found = renamed.read.as_ref().unwrap();
    assert_eq!((found.name.as_str(), found.path.as_str()), ("2024.2", "releases/24.10.7"));
    assert_eq!(found.ready, base.versions[0].ready);
    assert!(unknown.read.as_ref().is_ok_and(|version| version.ready.is_empty()));
}

#[test]
fn a_version_that_the_parent_lacks_is_reported_with_both_names_and_not_offered() {
    let (spec, base) = (child("openwrt"), base());
    let mut valid = validate(&spec).unwrap();
    complete(&mut valid.branches, &["24.10.7".to_owned()]);
    let read = inherit(&spec, &valid, Some(&base), &CatalogDocuments::default());
    let lacking = read.iter().find(|read| read.read.as_ref().unwrap().ready.is_empty()).unwrap();
    let (version, known) =
        (&lacking.version.clone(), spec.base_of("", &lacking.version).1.to_owned());
    let basis = Basis {
        name: "mesh",
        spec: &spec,
        valid: &valid,
        unlisted: None,
        last: None,
        ready: &ReadyCaches::default(),
        today: jiff::civil::date(2026, 1, 1),
    };
    let decision = decide(&basis, read);
    assert!(decision.versions.iter().all(|offered| offered.name != *version));
    let expected =
        format!("{version}: the parent openwrt offers no such target of its version {known}");
    assert!(decision.problems.iter().any(|branch| branch.problems.contains(&expected)));
}
