//! Builds of a child distribution: its own feed with its own key beside the feeds of the tree.

use asu_core::{failure::FailureReason as Reason, plan::Feed};
use asu_tests::{
    fixtures::{Faults, child},
    given::{Generation, fixture},
};

use crate::{
    bench::{Pod, fail, folder},
    faults::failed,
    good::unsquash,
};

/// A pod for a request of the child's package.
fn pod(generation: Generation) -> Pod {
    let (world, _) = fixture(generation);
    let mut pod = Pod::of(generation, "testarch/small", "acme_router-a", &[child::PACKAGE]);
    let path = format!("child/{}/testarch_generic/mesh", world.version());
    pod.plan.feeds = vec![Feed {
        name: child::FEED.into(),
        url: format!("{}/{path}", pod.upstream.base_url()),
        keys: world.child_keys().expect("keys"),
    }];
    pod
}

#[test]
fn an_image_contains_a_package_of_the_own_feed() {
    for generation in [Generation::Opkg, Generation::Apk] {
        let pod = pod(generation);
        let built = pod.built();
        let image = built.files.iter().find(|file| file.name.ends_with("-sysupgrade.bin"));
        let image = &image.expect("a sysupgrade image").name;
        let artifacts = pod.path(&format!("store/artifacts/{}", built.build_key));
        let place = folder();
        let listed = unsquash(&artifacts.join(image), &place.path().join("root"));
        assert!(listed.contains(child::FILE), "{listed}");
    }
}

#[test]
fn an_own_feed_that_fails_is_an_infrastructure_failure() {
    for (faults, reason) in [
        (
            Faults { status_503: vec!["/child/*".into()], ..Faults::default() },
            Reason::DownloadFailed,
        ),
        (
            Faults { wrong_signature: vec!["/child/*".into()], ..Faults::default() },
            Reason::IndexSignature,
        ),
    ] {
        let pod = pod(Generation::Opkg);
        fail(&pod.upstream, &faults);
        failed(&pod, reason);
    }
}

#[test]
fn an_own_feed_without_its_key_is_an_infrastructure_failure() {
    let mut pod = pod(Generation::Opkg);
    pod.plan.feeds.iter_mut().for_each(|feed| feed.keys.clear());
    failed(&pod, Reason::IndexSignature);
}
