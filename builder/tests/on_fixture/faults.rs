//! Builds that fail, each with its failure reason.

use asu_core::{catalog::TarballDigest, digest::Digest};
use asu_core::{
    failure::{Disposition, FailureReason as Reason},
    request::{DefaultsDigest, Filesystem},
};
use asu_tests::fixtures::Faults;

use crate::bench::{Pod, fail};

/// Runs the pod and checks reason, exit codes, the place of the result, and that the log is kept.
pub(crate) fn failed(pod: &Pod, reason: Reason) -> String {
    let ended = pod.run();
    let failure = pod.result().failure.expect("a failure");
    assert_eq!(failure.reason, reason, "{}\n{}", failure.detail, pod.log());
    let is_request = reason.disposition() == Disposition::Request;
    let codes = (ended.build.status.code(), ended.publish.status.code());
    assert_eq!(codes, if is_request { (Some(42), Some(42)) } else { (Some(1), Some(3)) });
    assert_eq!(pod.is_final(), is_request, "only what is final is kept under the build's own key");
    // Clients show standard error.
    let last_word = format!("\u{2}[asu] {}: {}\n", failure.reason, failure.detail);
    assert!(pod.log().ends_with(&last_word), "{}", pod.log());
    assert!(pod.stored().iter().all(|name| !name.starts_with("artifacts")), "{:?}", pod.stored());
    failure.detail
}

fn failed_with(packages: &[&str], reason: Reason) -> String {
    failed(&Pod::new(packages), reason)
}

fn failed_under(faults: &Faults, reason: Reason) -> String {
    let pod = Pod::new(&["fixture-hello"]);
    fail(&pod.upstream, faults);
    let detail = failed(&pod, reason);
    assert!(!detail.contains("Impossible package selection"), "{detail}");
    detail
}

fn paths(pattern: &str) -> Vec<String> {
    vec![pattern.to_owned()]
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    assert_eq!(
        failed_with(&["nosuch"], Reason::PackageSelection),
        "Impossible package selection: missing (nosuch)"
    );
}

#[test]
fn conflicts_clashes_and_missing_dependencies_name_the_packages() {
    for (packages, detail) in [
        (
            &["fixture-conflict-a", "fixture-conflict-b"][..],
            "conflicts (fixture-conflict-a, fixture-conflict-b)",
        ),
        (
            &["fixture-clash-a", "fixture-clash-b"][..],
            "conflicts (fixture-clash-a, fixture-clash-b)",
        ),
        (&["fixture-missing-dep"][..], "missing (fixture-missing-dep, fixture-nowhere)"),
    ] {
        let said = failed_with(packages, Reason::PackageSelection);
        assert_eq!(said, format!("Impossible package selection: {detail}"));
    }
}

#[test]
fn an_image_too_big_shows_both_sizes() {
    let detail = failed_with(&["fixture-huge"], Reason::ImageTooBig);
    assert!(detail.starts_with("Selected packages exceed device storage: "), "{detail}");
    assert!(detail.ends_with(" > 524288 bytes"), "{detail}");
}

#[test]
fn an_image_too_big_for_a_vendor_tool_shows_the_limit_of_the_device() {
    let pod = Pod::on("testarch/small", "acme_router-b", &["fixture-huge"]);
    let detail = failed(&pod, Reason::ImageTooBig);
    let sizes = detail.strip_prefix("Selected packages exceed device storage: ").unwrap();
    let (bytes, rest) = sizes.split_once(' ').unwrap();
    assert!(bytes.parse::<u64>().unwrap() > 0, "{detail}");
    assert_eq!(rest, "bytes more than the 786432 bytes that an image may have");
}

#[test]
fn a_root_partition_too_small_is_an_image_too_big() {
    let mut pod = Pod::on("testarch/disk", "generic", &["fixture-huge"]);
    pod.plan.request.filesystem = Some(Filesystem::Ext4);
    pod.plan.request.rootfs_size_mb = Some(1);
    failed(&pod, Reason::ImageTooBig);
}

#[test]
fn a_failing_script_names_its_package_whenever_it_runs() {
    for package in ["fixture-badpostinst", "fixture-badpostinst-late"] {
        let detail = failed_with(&[package], Reason::PackageScript);
        assert_eq!(detail, format!("A script of the package failed: {package}"));
    }
}

#[test]
fn a_build_that_takes_too_long_is_ended_and_keeps_its_log() {
    let mut pod = Pod::new(&["fixture-slow-60"]);
    pod.plan.limits.seconds = 8;
    failed(&pod, Reason::TimedOut);
}

#[test]
fn a_full_scratch_space_is_never_the_requests_fault() {
    let mut pod = Pod::new(&["fixture-diskfull"]);
    pod.plan.limits.work_bytes = 200 << 20;
    failed(&pod, Reason::NoSpace);
}

#[test]
fn an_index_with_an_unknown_signature_has_its_own_reason() {
    let faults = Faults { wrong_signature: paths("*/base/Packages.sig"), ..Faults::default() };
    let detail = failed_under(&faults, Reason::IndexSignature);
    assert!(detail.contains("base"), "{detail}");
}

#[test]
fn a_server_that_answers_503_is_a_failed_download() {
    let faults = Faults { status_503: paths("*/base/Packages*"), ..Faults::default() };
    failed_under(&faults, Reason::DownloadFailed);
}

#[test]
fn an_unreadable_index_fails_the_build_even_if_no_package_needs_it() {
    let pod = Pod::new(&[]);
    let faults = Faults { not_found: paths("*/base/Packages*"), ..Faults::default() };
    fail(&pod.upstream, &faults);
    failed(&pod, Reason::DownloadFailed);
}

#[test]
fn a_missing_or_damaged_package_file_is_a_failed_download() {
    for faults in [
        Faults { not_found: paths("*/fixture-hello_*"), ..Faults::default() },
        Faults { corrupt: paths("*/fixture-hello_*"), ..Faults::default() },
    ] {
        let detail = failed_under(&faults, Reason::DownloadFailed);
        assert!(detail.contains("fixture-hello"), "{detail}");
    }
}

#[test]
fn another_package_version_than_requested_fails_before_the_image_is_built() {
    let mut pod = Pod::new(&[]);
    pod.plan.request.packages_versions.insert("fixture-hello".parse().unwrap(), "9".into());
    let detail = failed(&pod, Reason::PackageVersion);
    assert!(detail.ends_with("version not as requested: 9 vs. 1.2-r3"), "{detail}");
    assert!(!pod.log().contains("build_image"));
}

#[test]
fn profiles_and_filesystems_that_the_tree_lacks_fail_without_running_make() {
    let mut pod = Pod::new(&[]);
    pod.plan.request.profile = "nosuch".parse().unwrap();
    failed(&pod, Reason::ProfileNotBuilt);
    let mut pod = Pod::new(&[]);
    pod.plan.request.filesystem = Some(Filesystem::Ext4);
    let detail = failed(&pod, Reason::ProfileNotBuilt);
    assert!(detail.ends_with("Available filesystems: squashfs"), "{detail}");
    let mut pod = Pod::new(&[]);
    pod.plan.request.version_code = Some("r1-other".into());
    failed(&pod, Reason::RevisionMismatch);
}

/// A pod whose tree has another revision than the feeds upstream.
pub(crate) fn of_revision(mut pod: Pod, revision: &str) -> Pod {
    let volume = pod.path("imagebuilder");
    let cache = std::fs::read_link(&volume).expect("the cache's mount");
    let marker = std::fs::read_to_string(volume.join("marker.json")).expect("a marker");
    std::fs::remove_file(&volume).expect("the cache's mount");
    std::fs::create_dir(&volume).expect("a volume");
    for entry in std::fs::read_dir(cache).expect("the cache") {
        let entry = entry.expect("an entry");
        let place = volume.join(entry.file_name());
        std::os::unix::fs::symlink(entry.path(), place).expect("a link");
    }
    std::fs::remove_file(volume.join("marker.json")).expect("the marker");
    let marker = marker.replace(&pod.plan.version_code, revision);
    std::fs::write(volume.join("marker.json"), marker).expect("a marker");
    revision.clone_into(&mut pod.plan.version_code);
    pod
}

#[test]
fn packages_of_another_revision_fail_a_request_with_a_revision() {
    let mut pod = of_revision(Pod::new(&[]), "r29000-0123456789");
    pod.plan.request.version_code = Some(pod.plan.version_code.clone());
    let detail = failed(&pod, Reason::RevisionMismatch);
    assert!(detail.contains("Upstream moved on from r29000-0123456789"), "{detail}");
    assert!(!pod.log().contains("build_image"), "no image is made of two revisions");
}

#[test]
fn a_request_without_a_revision_gets_the_packages_of_upstream() {
    let pod = of_revision(Pod::new(&[]), "r29000-0123456789");
    pod.run();
    assert!(pod.result().built.is_some(), "{}", pod.log());
}

#[test]
fn a_tree_of_another_tarball_is_never_used() {
    let mut pod = Pod::new(&[]);
    pod.plan.image_builder = TarballDigest::of(b"other");
    failed(&pod, Reason::TreeLost);
}

#[test]
fn a_missing_tree_or_marker_is_reported_as_lost() {
    for with_marker in [false, true] {
        let pod = Pod::new(&[]);
        let volume = pod.path("imagebuilder");
        let marker = std::fs::read(volume.join("marker.json")).expect("a marker");
        std::fs::remove_file(&volume).expect("the cache's mount");
        std::fs::create_dir(&volume).expect("another volume");
        if with_marker {
            std::fs::write(volume.join("marker.json"), marker).expect("the marker");
        }
        failed(&pod, Reason::TreeLost);
    }
}

#[test]
fn a_script_with_another_digest_is_never_used() {
    let mut pod = Pod::new(&[]);
    pod.defaults("echo another");
    pod.plan.request.defaults =
        Some(DefaultsDigest { sha256: Digest::of(b"echo this"), length: 12 });
    let detail = failed(&pod, Reason::DefaultsMissing);
    assert!(!detail.contains("echo"), "{detail}");
}

#[test]
fn a_hanging_mirror_is_an_infrastructure_failure() {
    let mut pod = Pod::new(&["fixture-huge"]);
    pod.plan.limits.seconds = 12;
    let slow = [("*/fixture-huge_*".to_owned(), 1)].into();
    fail(&pod.upstream, &Faults { slow, ..Faults::default() });
    failed(&pod, Reason::DownloadFailed);
}

#[test]
fn a_full_disk_is_reported_as_no_space() {
    let pod = Pod::new(&["fixture-diskfull"]);
    let _disk = pod.on_a_small_disk("24m");
    failed(&pod, Reason::NoSpace);
}
