//! Builds with ImageBuilders of the apk generation that fail, each with its reason.

use asu_core::failure::FailureReason as Reason;
use asu_tests::{fixtures::Faults, given::Generation};

use crate::{
    bench::{Pod, fail},
    faults::failed,
};

fn pod(packages: &[&str]) -> Pod {
    Pod::of(Generation::Apk, "testarch/small", "acme_router-a", packages)
}

#[test]
fn a_package_of_apk_is_in_the_image_and_its_manifest() {
    let pod = pod(&["fixture-hello", "-mtd"]);
    let built = pod.built();
    assert_eq!(built.manifest.get("fixture-hello").map(String::as_str), Some("1.2-r3"));
    assert!(!built.manifest.contains_key("mtd"));
    assert!(built.manifest.contains_key("libfix"), "names have no ABI suffix");
}

#[test]
fn a_failed_selection_is_a_failure_of_the_request_and_names_the_packages() {
    for (packages, named) in [
        (&["fixture-nope", "fixture-neither"][..], "missing (fixture-neither, fixture-nope)"),
        (&["fixture-missing-dep"][..], "missing (fixture-nowhere)"),
        (
            &["fixture-conflict-a", "fixture-conflict-b"][..],
            "conflicts (fixture-conflict-a, fixture-conflict-b)",
        ),
        (
            &["fixture-clash-a", "fixture-clash-b"][..],
            "conflicts (fixture-clash-a, fixture-clash-b)",
        ),
    ] {
        let detail = failed(&pod(packages), Reason::PackageSelection);
        assert_eq!(detail, format!("Impossible package selection: {named}"));
    }
}

#[test]
fn a_failing_script_names_its_package() {
    for package in ["fixture-badpostinst", "fixture-badpostinst-late"] {
        let detail = failed(&pod(&[package]), Reason::PackageScript);
        assert_eq!(detail, format!("A script of the package failed: {package}"));
    }
}

#[test]
fn an_image_too_big_shows_both_sizes() {
    let detail = failed(&pod(&["fixture-huge"]), Reason::ImageTooBig);
    assert!(detail.ends_with(" > 524288 bytes"), "{detail}");
}

#[test]
fn failed_feeds_of_the_distribution_are_an_infrastructure_failure() {
    for (faults, reason) in [
        (
            Faults { status_503: vec!["*/packages.adb".into()], ..Faults::default() },
            Reason::DownloadFailed,
        ),
        (
            Faults { not_found: vec!["*/fixture-hello-*".into()], ..Faults::default() },
            Reason::DownloadFailed,
        ),
        (
            Faults { corrupt: vec!["*/fixture-hello-*".into()], ..Faults::default() },
            Reason::DownloadFailed,
        ),
        (
            Faults { wrong_signature: vec!["*/base/packages.adb".into()], ..Faults::default() },
            Reason::IndexSignature,
        ),
    ] {
        let pod = pod(&["fixture-hello"]);
        fail(&pod.upstream, &faults);
        failed(&pod, reason);
    }
}

/// A pod whose request brings a repository at this path of the server.
fn with_own(packages: &[&str], path: &str) -> Pod {
    let mut pod = pod(packages);
    let url = format!("{}/{path}/packages.adb", pod.upstream.base_url());
    pod.repository("mine", &url);
    pod
}

#[test]
fn a_package_of_a_repository_of_the_request_is_installed() {
    let pod = with_own(&["fixture-third"], "third-party");
    let built = pod.built();
    assert!(built.manifest.contains_key("fixture-third"));
}

#[test]
fn a_repository_of_the_request_that_fails_is_the_requests_own_fault() {
    for faults in [
        Faults { status_503: vec!["/third-party/packages.adb".into()], ..Faults::default() },
        Faults { wrong_signature: vec!["/third-party/packages.adb".into()], ..Faults::default() },
        Faults { not_found: vec!["/third-party/fixture-third-*".into()], ..Faults::default() },
        Faults { corrupt: vec!["/third-party/fixture-third-*".into()], ..Faults::default() },
    ] {
        let pod = with_own(&["fixture-third"], "third-party");
        fail(&pod.upstream, &faults);
        let detail = failed(&pod, Reason::RepositoryFailed);
        assert!(detail.contains("mine"), "{detail}");
    }
    failed(&with_own(&["fixture-hello"], "nowhere"), Reason::RepositoryFailed);
}

#[test]
fn packages_of_another_revision_fail_a_request_with_a_revision() {
    let mut pod = crate::faults::of_revision(pod(&[]), "r29000-0123456789");
    pod.plan.request.version_code = Some(pod.plan.version_code.clone());
    let detail = failed(&pod, Reason::RevisionMismatch);
    assert!(detail.contains("Upstream moved on from r29000-0123456789"), "{detail}");
}
