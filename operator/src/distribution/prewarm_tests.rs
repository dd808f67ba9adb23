use std::sync::Arc;

use asu_core::catalog::{ImageBuilder, TarballDigest, Target};
use jiff::civil::date;

use super::*;
use crate::distribution::offer;

fn spec() -> DistributionSpec {
    serde_json::from_value(serde_json::json!({
        "title": "Test",
        "upstream": {"fetchURLs": ["http://mirror"], "publicURL": "https://public/"},
        "branches": [
            {"name": "24.10", "versions": ["24.10.0", "24.10.1", "24.10.10"], "signatures": "NotChecked"},
            {"name": "23.05", "versions": ["23.05.5"], "signatures": "NotChecked"}
        ]
    }))
    .unwrap()
}

fn version(name: &str, branch: &str, targets: &[&str]) -> Version {
    let target = |name: &&str| Target {
        sysupgrade: Some(true),
        name: name.parse().unwrap(),
        arch: "x".into(),
        version_code: "r1".into(),
        source_date_epoch: 1,
        profiles: [].into_iter().collect(),
        image_builder: ImageBuilder { file: "ib.tar.zst".into(), sha256: TarballDigest::of(b"ib") },
    };
    Version {
        name: name.into(),
        branch: branch.into(),
        path: format!("releases/{name}"),
        snapshot: false,
        targets: BTreeMap::new(),
        ready: targets.iter().map(|name| (name.parse().unwrap(), target(name))).collect(),
    }
}

fn last(versions: Vec<Version>) -> Distribution {
    let offer = offer(&spec(), &[], &versions, date(2026, 1, 1));
    let versions = versions.into_iter().map(Arc::new).collect();
    Distribution { name: "d".into(), revision: 1, offer, versions }
}

/// The versions and targets of the caches for these most used targets.
fn caches(last: Option<&Distribution>, now: &[Version], used: &[&str]) -> Vec<(String, String)> {
    let used: Vec<String> = used.iter().map(|&target| target.to_owned()).collect();
    let new = new_versions(last, now);
    let caches = new.iter().flat_map(|new| new.caches("d", &spec(), &used));
    caches.map(|(_, cache)| (cache.version, cache.target)).collect()
}

#[test]
fn a_new_version_gets_the_most_used_targets_of_its_branch() {
    let old = version("24.10.1", "24.10", &["a/b", "c/d", "e/f"]);
    let other = version("23.05.5", "23.05", &["a/b"]);
    let last = last(vec![old.clone(), other.clone()]);
    let now = [version("24.10.10", "24.10", &["a/b", "c/d", "e/f"]), old, other];
    let new = new_versions(Some(&last), &now);
    assert_eq!(new.len(), 1);
    assert_eq!(new[0].versions, ["24.10.1", "24.10.10"]);
    let made = caches(Some(&last), &now, &["c/d", "gone/gone"]);
    assert_eq!(made, [("24.10.10".to_owned(), "c/d".to_owned())]);
}

#[test]
fn targets_that_become_ready_later_are_new_then_and_only_then() {
    let half = last(vec![version("24.10.1", "24.10", &["a/b"])]);
    let now = [version("24.10.1", "24.10", &["a/b", "c/d"])];
    let made = caches(Some(&half), &now, &["a/b", "c/d"]);
    assert_eq!(made, [("24.10.1".to_owned(), "c/d".to_owned())]);
    assert!(new_versions(Some(&last(now.to_vec())), &now).is_empty());
}

#[test]
fn of_several_new_versions_the_newest_counts_and_at_first_none() {
    let names = ["24.10.0", "24.10.10", "24.10.1"];
    let now: Vec<_> = names.iter().map(|name| version(name, "24.10", &["a/b"])).collect();
    let made = caches(Some(&last(vec![])), &now, &["a/b"]);
    assert_eq!(made, [("24.10.10".to_owned(), "a/b".to_owned())]);
    assert!(caches(None, &now, &["a/b"]).is_empty());
}
