//! Builds with ImageBuilders of every package generation, from the signed tarball to the image.

use std::path::Path;

use asu_core::{failure::FailureReason as Reason, result::PopulateFailure};
use asu_tests::{
    fixtures::{Faults, Moved},
    given::{Generation, fixture},
};

use crate::{
    bench::{Cache, Pod, fail, populate_plan},
    faults::failed,
};

const TARGET: &str = "testarch/small";

/// Builds an image with a package of a feed, a package of the target and a kernel module, and returns
/// the names of its files.
fn image(generation: Generation) -> Vec<String> {
    let pod = Pod::of(generation, TARGET, "acme_router-a", &["fixture-hello", "kmod-fixture-ata"]);
    let built = pod.built();
    for package in ["fixture-hello", "kmod-fixture-ata", "base-files", "libfix"] {
        assert!(built.manifest.contains_key(package), "{package}: {:?}", built.manifest);
    }
    let names = built.files.into_iter().map(|file| file.name);
    names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "bin")).collect()
}

#[test]
fn an_image_builder_of_23_05_in_a_tarball_of_xz_makes_an_image_with_kernel_modules() {
    let names = image(Generation::Opkg2305);
    let part = "openwrt-23.05.5-";
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with(part)), "{names:?}");
}

#[test]
fn an_image_builder_of_the_development_version_makes_an_image_without_a_version_in_its_name() {
    let names = image(Generation::Snapshot);
    assert!(!names.is_empty() && names.iter().all(|name| !name.contains("snapshot")), "{names:?}");
}

#[test]
fn an_image_builder_of_a_branch_snapshot_makes_an_image_with_the_revision_in_its_name() {
    let names = image(Generation::BranchSnapshot);
    let part = "openwrt-24.10-snapshot-r29200-1a2b3c4d5e-";
    assert!(names.iter().all(|name| name.starts_with(part)), "{names:?}");
}

#[test]
fn packages_of_a_later_revision_than_the_image_builder_are_a_revision_mismatch() {
    for generation in [Generation::Snapshot, Generation::BranchSnapshot] {
        let mut pod = Pod::of(generation, TARGET, "acme_router-a", &["fixture-hello"]);
        pod.plan.request.version_code = Some(pod.plan.version_code.clone());
        let (world, _) = fixture(generation);
        let moved = world.moved(Moved::Packages);
        fail(&pod.upstream, &Faults { moved, ..Faults::default() });
        failed(&pod, Reason::RevisionMismatch);
    }
}

#[test]
fn an_image_builder_that_upstream_replaced_is_a_wrong_digest() {
    let (world, upstream) = fixture(Generation::Snapshot);
    let plan = populate_plan(&world, &upstream, TARGET);
    let faults = Faults { moved: world.moved(Moved::All), ..Faults::default() };
    fail(&upstream, &faults);
    let result = Cache::new().populate(&plan);
    assert_eq!(result.failure, Some(PopulateFailure::BadChecksum), "{}", result.detail);
}
