//! ImageBuilders from OCI images, which are mounted instead of downloaded.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::PathBuf,
};

use asu_core::{
    plan::{PlanImage, PopulatePlan},
    result::PopulateFailure as Failure,
};
use asu_tests::given::{Generation, fixture};
use asu_upstream::UnpackLimits;

use crate::bench::{Cache, populate_plan, requests};

const TARGET: &str = "testarch/small";

/// A cache to fill, the plan to do so from the image, and the folder of the ImageBuilder in the image.
fn mounted() -> (Cache, PopulatePlan, PathBuf, asu_tests::fixtures::Upstream) {
    let (world, upstream) = fixture(Generation::Opkg);
    let (cache, mut plan) = (Cache::new(), populate_plan(&world, &upstream, TARGET));
    let image = cache.path("asu/image");
    fs::create_dir_all(&image).expect("a folder");
    let limits = UnpackLimits { entries: 100_000, bytes: 1 << 30 };
    let unpacked = asu_upstream::unpack(&world.tarball(TARGET), &image, &limits).expect("a tree");
    fs::rename(image.join(unpacked.top_dir), image.join("builder")).expect("a rename");
    plan.image = Some(PlanImage {
        reference: "r.example/ib:1".into(),
        path: "builder".into(),
        revision: Some(world.releases.first().expect("a release").revision.clone()),
        pull_policy: "Always".into(),
    });
    (cache, plan, image.join("builder"), upstream)
}

#[test]
fn a_tree_is_copied_from_the_image_and_nothing_is_downloaded() {
    let (cache, plan, folder, upstream) = mounted();
    let before = requests(&upstream).len();
    let result = cache.populate(&plan);
    assert_eq!(result.failure, None, "{}", result.detail);
    assert_eq!(cache.names(), ["marker.json", "tree"]);
    assert_eq!(requests(&upstream).len(), before);
    let marker = cache.marker().expect("a marker");
    assert_eq!(Some(marker.revision), plan.image.and_then(|image| image.revision));
    assert_eq!(marker.sha256, plan.sha256);
    assert!(marker.bytes > 0 && marker.entries > 0);
    let time = |path: PathBuf| fs::metadata(path).and_then(|data| data.modified()).expect("a time");
    let (from, to) = (folder.join("Makefile"), cache.volume().join("tree/Makefile"));
    assert_eq!(time(from), time(to));
}

#[test]
fn an_image_with_another_revision_is_refused_with_both() {
    let (cache, mut plan, _folder, _upstream) = mounted();
    let image = plan.image.as_mut().expect("an image");
    let found = image.revision.replace("r1-other".into()).expect("a revision");
    let result = cache.populate(&plan);
    assert_eq!(result.failure, Some(Failure::BadArchive));
    assert!(
        result.detail.contains("r1-other") && result.detail.contains(&found),
        "{}",
        result.detail
    );
    assert!(cache.marker().is_none());
}

#[test]
fn an_image_without_the_folder_or_without_an_image_builder_is_refused() {
    let (cache, mut plan, folder, _upstream) = mounted();
    for (path, problem) in
        [("other", "has no folder /other"), ("builder/target", "has no ImageBuilder")]
    {
        plan.image.as_mut().expect("an image").path = path.into();
        let result = cache.populate(&plan);
        assert_eq!(result.failure, Some(Failure::BadArchive), "{path}");
        assert!(result.detail.contains(problem), "{path}: {}", result.detail);
    }
    plan.image.as_mut().expect("an image").path = "../etc".into();
    assert_eq!(cache.populate(&plan).failure, Some(Failure::Internal));
    let link = folder.parent().expect("the image").join("link");
    std::os::unix::fs::symlink(&folder, link).expect("a link");
    plan.image.as_mut().expect("an image").path = "link".into();
    assert_eq!(cache.populate(&plan).failure, Some(Failure::BadArchive));
}

#[test]
fn an_image_that_is_too_large_or_has_special_files_is_refused() {
    let (cache, plan, folder, _upstream) = mounted();
    let small = PopulatePlan { max_tree_bytes: 1000, ..plan.clone() };
    assert_eq!(cache.populate(&small).failure, Some(Failure::TooLarge));
    let few = PopulatePlan { max_entries: 3, ..plan.clone() };
    assert_eq!(cache.populate(&few).failure, Some(Failure::TooLarge));
    let program = folder.join("Makefile");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("a mode");
    let result = cache.populate(&plan);
    assert_eq!(result.failure, Some(Failure::HostileArchive), "{}", result.detail);
    assert!(result.detail.contains("special mode"), "{}", result.detail);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).expect("a mode");
    let _socket = UnixListener::bind(folder.join("socket")).expect("a socket");
    let result = cache.populate(&plan);
    assert_eq!(result.failure, Some(Failure::HostileArchive), "{}", result.detail);
    assert!(cache.marker().is_none());
}
