use asu_core::{
    catalog::{ImageBuilder, Profile, TarballDigest, Target},
    digest::Digest,
};
use asu_crds::PackageEdit;

use super::{super::validate::validate, *};

fn spec() -> DistributionSpec {
    serde_json::from_value(serde_json::json!({
        "title": "Test",
        "upstream": {"fetchURLs": ["http://mirror"], "publicURL": "https://public/"},
        "branches": [
            {"name": "24.10", "versions": ["24.10.1", "24.10.0"], "signatures": "NotChecked"},
            {"name": "23.05", "versions": ["23.05.5"], "signatures": "NotChecked"}
        ],
        "pinnedCaches": [{"version": "24.10.1", "target": "a/b"}]
    }))
    .unwrap()
}

fn target(code: &str) -> Target {
    Target {
        sysupgrade: Some(true),
        name: "a/b".parse().unwrap(),
        arch: "x".into(),
        version_code: code.into(),
        source_date_epoch: 1,
        profiles: vec![Profile { id: "p".parse().unwrap(), aliases: vec![] }].into(),
        image_builder: ImageBuilder { file: "ib.tar.zst".into(), sha256: TarballDigest::of(b"ib") },
    }
}

fn version(name: &str, branch: &str, code: Option<&str>) -> Version {
    Version {
        name: name.into(),
        branch: branch.into(),
        path: format!("releases/{name}"),
        snapshot: false,
        targets: [("a/b".parse().unwrap(), "x".to_owned())].into(),
        ready: code.map(|code| ("a/b".parse().unwrap(), target(code))).into_iter().collect(),
    }
}

fn read(name: &str, branch: &str, code: Option<&str>) -> VersionRead {
    let problem = code.is_none().then(|| ("a/b".parse().unwrap(), "bad signature".to_owned()));
    VersionRead {
        branch: branch.into(),
        version: name.into(),
        read: Ok(version(name, branch, code)),
        problems: problem.into_iter().collect(),
        faults: BTreeMap::new(),
        documents: DocumentsRead::default(),
    }
}

fn failed(name: &str, branch: &str) -> VersionRead {
    VersionRead { read: Err("it is unavailable".into()), ..read(name, branch, Some("r1")) }
}

/// The decision while no cache is ready.
fn decided(read: Vec<VersionRead>, last: Option<&Distribution>) -> Decision {
    decided_by(&spec(), read, last, &ReadyCaches::default())
}

fn decided_by(
    spec: &DistributionSpec,
    read: Vec<VersionRead>,
    last: Option<&Distribution>,
    ready: &ReadyCaches,
) -> Decision {
    let valid = &validate(spec).unwrap();
    let today = jiff::civil::date(2026, 1, 1);
    let basis = Basis { name: "d", spec, valid, unlisted: None, last, ready, today };
    decide(&basis, read)
}

fn last() -> Distribution {
    let none = decided(vec![], None);
    let versions = vec![version("24.10.1", "24.10", Some("r1")).into()];
    Distribution { name: "d".into(), revision: 1, offer: none.offer, versions }
}

#[test]
fn the_last_data_of_a_target_that_cannot_be_read_is_kept_and_the_problem_is_reported() {
    let found = decided(vec![read("24.10.1", "24.10", None)], Some(&last()));
    assert_eq!(found.versions[0].ready["a/b"].version_code, "r1");
    assert_eq!(found.problems[0].name, "24.10");
    assert_eq!(found.problems[0].problems, ["24.10.1 a/b: bad signature"]);
}

#[test]
fn the_last_data_of_a_version_that_cannot_be_read_is_kept_and_the_problem_is_reported() {
    let found = decided(vec![failed("24.10.1", "24.10")], Some(&last()));
    assert_eq!(found.versions[0], *last().versions[0]);
    assert_eq!(found.problems[0].problems, ["24.10.1: it is unavailable"]);
}

fn replaced() -> VersionRead {
    let mut reading = read("24.10.1", "24.10", Some("r2"));
    let target = reading.read.as_mut().unwrap().ready.get_mut("a/b").unwrap();
    target.image_builder.sha256 = TarballDigest::of(b"new");
    reading
}

fn cache(content: &[u8]) -> String {
    cache_name("d", "24.10.1", "a/b", &Digest::of(content).to_string())
}

fn ready(all: &[String], wanted: &[String]) -> ReadyCaches {
    ReadyCaches { all: all.iter().cloned().collect(), wanted: wanted.iter().cloned().collect() }
}

/// Otherwise each new ImageBuilder would be downloaded as the successor of one that no build uses.
#[test]
fn a_former_image_builder_that_no_build_used_is_replaced_at_once() {
    let unused = ready(&[cache(b"ib")], &[]);
    let found = decided_by(&spec(), vec![replaced()], Some(&last()), &unused);
    assert_eq!(found.versions[0].ready["a/b"].version_code, "r2");
    assert!(found.successors.is_empty());
}

#[test]
fn a_former_image_builder_is_offered_until_its_successor_is_ready() {
    let former = ready(&[cache(b"ib")], &[cache(b"ib")]);
    let found = decided_by(&spec(), vec![replaced()], Some(&last()), &former);
    assert_eq!(found.versions[0].ready["a/b"], last().versions[0].ready["a/b"]);
    assert_eq!(found.successors.keys().collect::<Vec<_>>(), [&cache(b"new")]);
    assert!(found.problems[0].problems[0].contains("the former ImageBuilder serves"));

    let both = ready(&[cache(b"ib"), cache(b"new")], &[cache(b"ib")]);
    let found = decided_by(&spec(), vec![replaced()], Some(&last()), &both);
    assert_eq!(found.versions[0].ready["a/b"].version_code, "r2");
    assert!(found.successors.is_empty() && found.problems.is_empty());
}

#[test]
fn a_former_image_builder_without_a_ready_cache_is_replaced_at_once() {
    let found = decided(vec![replaced()], Some(&last()));
    assert_eq!(found.versions[0].ready["a/b"].version_code, "r2");
    assert!(found.successors.is_empty());
}

#[test]
fn a_version_that_was_never_read_is_not_offered() {
    let found = decided(vec![failed("23.05.5", "23.05")], Some(&last()));
    assert!(found.versions.is_empty());
    assert!(found.offer.latest.is_empty());
}

#[test]
fn the_newest_version_of_each_branch_is_recommended() {
    let all = vec![
        read("24.10.1", "24.10", Some("r2")),
        read("24.10.0", "24.10", Some("r2")),
        read("23.05.5", "23.05", Some("r2")),
    ];
    let found = decided(all, None);
    assert_eq!(found.offer.latest, ["24.10.1", "23.05.5"]);
    assert_eq!(found.offer.public_url, "https://public");
    assert!(found.problems.is_empty());
    let counts = counts(&found.versions);
    assert_eq!((counts.versions, counts.targets, counts.profiles), (3, 3, 3));
}

#[test]
fn a_snapshot_is_offered_but_not_recommended() {
    let mut spec = spec();
    spec.branches[0].snapshot = true;
    let all = vec![read("24.10.1", "24.10", Some("r2")), read("23.05.5", "23.05", Some("r2"))];
    let found = decided_by(&spec, all, None, &ReadyCaches::default());
    assert_eq!(found.offer.latest, ["23.05.5"]);
    assert_eq!(found.offer.branches[0].versions, ["24.10.1"]);
}

#[test]
fn the_version_that_a_branch_names_is_recommended_if_it_is_offered() {
    let all =
        || ["24.10.10", "24.10.9", "24.10.1"].map(|name| read(name, "24.10", Some("r2"))).into();
    let mut spec = spec();
    spec.branches[0].versions = ["24.10.10", "24.10.9", "24.10.1"].map(str::to_owned).into();
    let latest = |spec: &DistributionSpec| {
        let found = decided_by(spec, all(), None, &ReadyCaches::default());
        (found.offer.latest, found.problems)
    };
    assert_eq!(latest(&spec), (vec!["24.10.10".to_owned()], vec![]));
    spec.branches[0].latest = Some("24.10.9".into());
    assert_eq!(latest(&spec).0, ["24.10.9"]);
    spec.branches[0].latest = Some("24.10.11".into());
    let (offered, problems) = latest(&spec);
    assert_eq!(offered, ["24.10.10"]);
    assert!(problems[0].problems[0].starts_with("latest 24.10.11 is not offered"));
}

#[test]
fn a_branch_is_recommended_until_its_end_of_life_and_offered_afterwards() {
    let recommended = |day: &str| {
        let mut spec = spec();
        spec.branches[1].end_of_life = Some(day.into());
        let all = vec![read("23.05.5", "23.05", Some("r2"))];
        let offer = decided_by(&spec, all, None, &ReadyCaches::default()).offer;
        assert_eq!(offer.branches[1].versions, ["23.05.5"]);
        offer.latest.len()
    };
    assert_eq!((recommended("2026-01-02"), recommended("2026-01-01")), (1, 0));
}

#[test]
fn a_version_is_offered_as_soon_as_one_of_its_targets_can_be_read() {
    let found = decided(vec![read("24.10.1", "24.10", None)], None);
    assert!(found.versions.is_empty());
    let problems = &found.problems[0].problems;
    assert!(problems.contains(&"24.10.1 has no target that could be read".to_owned()));
}

#[test]
fn a_list_of_versions_that_cannot_be_read_is_a_problem_of_the_branches_with_rules() {
    let mut spec = spec();
    spec.branches[0].discover = serde_json::from_str("{}").unwrap();
    let valid = &validate(&spec).unwrap();
    let basis = Basis {
        name: "d",
        spec: &spec,
        valid,
        unlisted: Some("http://mirror is unavailable".into()),
        last: None,
        ready: &ReadyCaches::default(),
        today: jiff::civil::date(2026, 1, 1),
    };
    let found = decide(&basis, vec![read("24.10.1", "24.10", Some("r2"))]);
    let branches: Vec<_> = found.problems.iter().map(|branch| branch.name.as_str()).collect();
    assert_eq!(branches, ["24.10"]);
    assert!(
        found.problems[0].problems[0].starts_with("http://mirror is unavailable; the versions")
    );
}

#[test]
fn a_malformed_package_edit_makes_the_spec_invalid_with_its_path() {
    let mut spec = spec();
    let rule = |add: &str| PackageEdit { add: vec![add.into()], ..PackageEdit::default() };
    spec.package_edits = vec![rule("fitblk"), rule("-fitblk")];
    let error = validate(&spec).unwrap_err().to_string();
    assert!(error.starts_with("spec.packageEdits[1].add: \"-fitblk\""), "{error}");
    spec.package_edits.truncate(1);
    assert!(validate(&spec).is_ok());
}

#[test]
fn a_pinned_cache_is_named_by_the_digest_that_is_offered() {
    let found = decided(vec![read("24.10.1", "24.10", Some("r2"))], None);
    let (name, cache) = found.pinned.iter().next().unwrap();
    assert_eq!(*name, cache_name("d", "24.10.1", "a/b", &Digest::of(b"ib").to_string()));
    assert_eq!(cache.target_path, "releases/24.10.1/targets/a/b");
    assert!(cache.pinned);
}

#[test]
fn a_pinned_cache_that_is_not_offered_is_a_problem_of_its_branch() {
    let found = decided(vec![read("23.05.5", "23.05", Some("r2"))], None);
    assert_eq!(found.problems[0].problems, ["pinned 24.10.1 a/b is not offered"]);
}

#[test]
fn a_mirror_with_wrong_files_is_reported_although_another_mirror_has_the_target() {
    let mut reading = read("24.10.1", "24.10", Some("r2"));
    reading.faults.insert("a/b".parse().unwrap(), "http://m is of 24.10.0".to_owned());
    let found = decided(vec![reading], None);
    let said = "24.10.1 a/b is offered, but http://m is of 24.10.0";
    assert_eq!(found.problems[0].problems, [said]);
    assert_eq!(found.versions[0].ready["a/b"].version_code, "r2");
}

#[test]
fn a_long_list_of_problems_is_cut_with_a_note() {
    let mut reading = read("24.10.1", "24.10", None);
    // Two more problems: the version has no target, and the pinned cache is not offered.
    reading.problems =
        (0..50).map(|n| (format!("t/{n}").parse().unwrap(), "away".to_owned())).collect();
    let found = decided(vec![reading], Some(&last()));
    assert_eq!(found.problems[0].problems.len(), 32);
    assert_eq!(found.problems[0].problems[31], "and 21 more");
}
