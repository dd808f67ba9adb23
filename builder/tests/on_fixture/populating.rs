//! Tests of `populate`: what it refuses, what it leaves, and what it does only once.

use std::{fs, os::unix::fs::PermissionsExt as _};

use asu_core::{
    catalog::TarballDigest,
    plan::{PackageManager, PopulatePlan},
    populate_progress::{PopulateStep, Progress},
    request::Filesystem,
    result::{PopulateFailure as Failure, is_plain_file_name},
};
use asu_tests::{
    fixtures::{Faults, Upstream},
    given::{Generation, fixture},
};

use crate::bench::{Cache, fail, populate_plan, requests};

const TARGET: &str = "testarch/small";

#[test]
fn a_tree_is_warmed_up_in_its_place_and_marked() {
    let (world, upstream) = fixture(Generation::Opkg);
    let cache = Cache::new();
    let plan = populate_plan(&world, &upstream, TARGET);
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    assert_eq!(cache.names(), ["marker.json", "tree"]);
    let marker = cache.marker().expect("a marker");
    assert_eq!(marker.sha256, plan.sha256);
    assert_eq!(marker.package_manager, PackageManager::Opkg);
    assert_eq!(marker.revision, world.releases[0].revision);
    assert_eq!(marker.filesystems, [Filesystem::Squashfs]);
    assert_eq!(marker.profiles["acme_router-b"], ["kmod-fixture-wifi", "-mtd"]);
    assert!(marker.single_resolution);
    let tree = cache.volume().join("tree");
    for made in [".profiles.mk", "staging_dir/host/.prereq-build", "key-build", "key-build.pub"] {
        assert!(tree.join(made).is_file(), "{made}");
    }
    assert!(!tree.join("tmp").exists());
    let mode = fs::metadata(&tree).expect("the tree").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn progress_is_printed_in_the_order_of_the_steps() {
    let (cache, plan, _upstream) = Cache::to_fill(TARGET);
    let (result, printed) = cache.populate_aloud(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    let progress: Vec<Progress> = printed.lines().filter_map(Progress::from_log_line).collect();
    let mut steps: Vec<PopulateStep> = progress.iter().map(|progress| progress.step).collect();
    steps.dedup();
    assert_eq!(steps, PopulateStep::ALL);
    let downloading = progress.iter().find(|at| at.step == PopulateStep::Downloading);
    assert!(downloading.is_some_and(|at| at.bytes > Some(0) && at.of.is_some()), "{printed}");
}

#[test]
fn a_finished_tree_is_not_populated_again() {
    let (cache, mut plan, upstream) = Cache::to_fill(TARGET);
    assert_eq!(cache.populate(&plan).failure, None);
    let before = requests(&upstream).len();
    assert_eq!(cache.populate(&plan).failure, None);
    assert_eq!(requests(&upstream).len(), before, "it asked the server again");
    plan.builder_image = "builder@sha256:2".into();
    assert_eq!(cache.populate(&plan).failure, None);
    assert!(requests(&upstream).len() > before, "another builder image means a new tree");
    assert_eq!(cache.marker().expect("a marker").builder_image, plan.builder_image);
}

#[test]
fn remains_of_a_killed_run_are_deleted_and_a_tree_without_a_marker_is_populated_again() {
    let (cache, plan, _upstream) = Cache::to_fill(TARGET);
    for folder in ["tmp-dead/unpacked", "tree/half"] {
        fs::create_dir_all(cache.volume().join(folder)).expect("a leftover");
    }
    for folder in ["tmp-dead", "tmp-dead/unpacked", "tree", "tree/half"] {
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(cache.volume().join(folder), open).expect("an open leftover");
    }
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    assert_eq!(cache.names(), ["marker.json", "tree"]);
    assert!(!cache.volume().join("tree/half").exists());
}

/// Runs `populate`, which must fail and leave neither tree nor marker nor temporary files.
fn refused(cache: &Cache, plan: &PopulatePlan, expected: &[Failure]) -> String {
    let detail = failed(cache, plan, expected);
    assert!(cache.names().is_empty(), "{:?} is left", cache.names());
    detail
}

fn failed(cache: &Cache, plan: &PopulatePlan, expected: &[Failure]) -> String {
    let result = cache.populate(plan);
    let failure = result.failure.unwrap_or_else(|| panic!("{} was accepted", plan.target_path));
    assert!(expected.contains(&failure), "{failure:?}: {}", result.detail);
    result.detail
}

#[test]
fn a_wrong_digest_an_unknown_signature_and_a_missing_tarball_have_different_failures() {
    let (cache, good, upstream) = Cache::to_fill(TARGET);
    let mut plan = good.clone();
    plan.sha256 = TarballDigest::of(b"other");
    refused(&cache, &plan, &[Failure::BadChecksum]);
    fail(&upstream, &Faults { wrong_signature: vec!["*".into()], ..Faults::default() });
    refused(&cache, &good, &[Failure::BadSignature]);
    fail(&upstream, &Faults { corrupt: vec!["*.tar.zst".into()], ..Faults::default() });
    refused(&cache, &good, &[Failure::BadChecksum]);
    fail(&upstream, &Faults { not_found: vec!["*.tar.zst".into()], ..Faults::default() });
    refused(&cache, &good, &[Failure::NotFound]);
    fail(&upstream, &Faults { status_503: vec!["*".into()], ..Faults::default() });
    refused(&cache, &good, &[Failure::Unavailable]);
    let mut plan = good.clone();
    plan.max_download_bytes = 1000;
    fail(&upstream, &Faults::default());
    refused(&cache, &plan, &[Failure::TooLarge]);
    let mut plan = good;
    plan.max_entries = 10;
    refused(&cache, &plan, &[Failure::TooLarge]);
}

/// A truncated download does not mean a bad archive: the connection to the mirror may have broken.
#[test]
fn an_interrupted_download_is_not_reported_as_a_bad_archive() {
    let (cache, plan, upstream) = Cache::to_fill(TARGET);
    for pattern in ["*/sha256sums", "*/sha256sums.sig"] {
        let truncate = [(pattern.to_owned(), -1)].into();
        fail(&upstream, &Faults { truncate, ..Faults::default() });
        let detail = refused(&cache, &plan, &[Failure::DownloadFailed]);
        assert!(detail.contains("broke off after"), "{detail}");
    }
    // A single truncated download is retried.
    let truncate = [("*.tar.zst".to_owned(), 1)].into();
    fail(&upstream, &Faults { truncate, ..Faults::default() });
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
}

/// The ranges of the requests for the tarball.
fn ranges(upstream: &Upstream) -> Vec<(Option<String>, u16)> {
    let asked = requests(upstream).into_iter();
    let tarballs = asked.filter(|request| request.path.ends_with(".tar.zst"));
    tarballs.map(|request| (request.range, request.status)).collect()
}

/// A cache whose download broke off in every round, so that seven eighths of it are kept.
fn interrupted() -> (Cache, PopulatePlan, Upstream, usize) {
    let (cache, plan, upstream) = Cache::to_fill(TARGET);
    let truncate = [("*.tar.zst".to_owned(), -1)].into();
    fail(&upstream, &Faults { truncate, ..Faults::default() });
    let detail = failed(&cache, &plan, &[Failure::DownloadFailed]);
    assert!(detail.contains("broke off after"), "{detail}");
    assert_eq!(cache.names(), ["download"]);
    fail(&upstream, &Faults::default());
    let before = ranges(&upstream).len();
    (cache, plan, upstream, before)
}

#[test]
fn the_next_pod_continues_an_interrupted_download() {
    let (cache, plan, upstream, before) = interrupted();
    let kept = fs::metadata(cache.volume().join("download/tarball")).expect("a part").len();
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    assert_eq!(ranges(&upstream)[before..], [(Some(format!("bytes={kept}-")), 206)]);
    assert_eq!(cache.names(), ["marker.json", "tree"]);
}

#[test]
fn a_damaged_part_of_a_download_is_removed() {
    let (cache, plan, upstream, before) = interrupted();
    let part = cache.volume().join("download/tarball");
    let length = fs::metadata(&part).expect("a part").len();
    fs::write(&part, vec![0; usize::try_from(length).expect("a small part")]).expect("damage");
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    let statuses: Vec<u16> =
        ranges(&upstream)[before..].iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [206, 200]);
}

/// The pod was evicted while it unpacked.
#[test]
fn a_complete_tarball_of_a_killed_run_is_not_downloaded_again() {
    let (cache, plan, upstream, before) = interrupted();
    let (world, _) = fixture(Generation::Opkg);
    let content = fs::read(world.tarball(TARGET)).expect("the tarball");
    let note = serde_json::json!({"sha256": plan.sha256, "total": content.len()});
    fs::write(cache.volume().join("download/tarball"), content).expect("the rest");
    fs::write(cache.volume().join("download/tarball.part.json"), note.to_string()).expect("a note");
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    assert_eq!(ranges(&upstream).len(), before);
    assert_eq!(cache.names(), ["marker.json", "tree"]);
}

#[test]
fn no_bad_tarball_is_unpacked() {
    let (world, upstream) = fixture(Generation::Opkg);
    for case in &world.bad_tarballs {
        let cache = Cache::new();
        let mut plan = populate_plan(&world, &upstream, TARGET);
        let prefix = format!("/{}/", plan.target_path);
        let folder = world.dir.join("bad").join(case);
        let sums = fs::read_to_string(folder.join("sha256sums")).unwrap_or_default();
        let line = sums.lines().find(|line| line.contains(plan.file.as_str()));
        if let Some(digest) = line.and_then(|line| line.get(..64)?.parse().ok()) {
            plan.sha256 = digest;
        }
        assert!(is_plain_file_name(case), "{case}");
        let substitute = [(prefix, format!("bad/{case}"))].into();
        fail(&upstream, &Faults { substitute, ..Faults::default() });
        let expected = match case.as_str() {
            "wrong-signature" => Failure::BadSignature,
            "wrong-sha256" => Failure::BadChecksum,
            "truncated" => Failure::BadArchive,
            _ => Failure::HostileArchive,
        };
        let detail = refused(&cache, &plan, &[expected]);
        assert!(expected != Failure::HostileArchive || detail.contains("member"), "{detail}");
    }
}
