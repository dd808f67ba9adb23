//! ImageBuilders from OCI images, which the node mounts as image volumes.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use std::time::Duration;

use asu_crds::{Distribution, ImageBuilderCache};
use asu_tests::{
    deploy::{NAMESPACE, upstream},
    fixtures::World,
    image::Rootfs,
    progress::Progress,
    scenario::System,
    toolchain::cache_dir,
};
use asu_upstream::UnpackLimits;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

/// A cache has to be filled first, on a machine that does other things.
const WITHIN: Duration = Duration::from_mins(4);
/// A Distribution of its own, so that no other test sees its versions.
const NAME: &str = "images";
const VERSION: &str = "24.10.7";
const TARGET: &str = "testarch/small";

/// Gives the node an image with the ImageBuilder of the fixture in the folder /builder.
async fn provide(system: &System, world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let limits = UnpackLimits { entries: 100_000, bytes: 1 << 30 };
    let unpacked = asu_upstream::unpack(&world.tarball(TARGET), folder.path(), &limits).unwrap();
    std::fs::rename(folder.path().join(unpacked.top_dir), folder.path().join("builder")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let dockerfile = place.path().join("Dockerfile");
    std::fs::write(&dockerfile, "FROM scratch\nCOPY . /\n").unwrap();
    let tag = format!("localhost/asu-imagebuilder:testarch-small-v{VERSION}");
    system.site.provide(&dockerfile, folder.path(), &tag, &Progress::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_built_with_the_image_builder_of_an_oci_image() {
    let system = System::attach().await.unwrap();
    let world = World::ensure_all(&cache_dir()).unwrap();
    provide(&system, &world).await;
    let release = world.releases.iter().find(|release| release.version == VERSION).unwrap();
    let distribution = json!({
        "apiVersion": "asu.dev/v1alpha1", "kind": "Distribution", "metadata": {"name": NAME},
        "spec": {
            "title": "OCI images",
            "upstream": {"fetchURLs": [upstream::URL], "publicURL": world.base_url},
            "targets": [TARGET],
            "branches": [{"name": "24.10", "versions": [VERSION], "keys": [release.public_key]}],
            "imageBuilderImages": [{
                "reference": "localhost/asu-imagebuilder:{board}-{subtarget}-v{version}",
                "pullPolicy": "IfNotPresent",
            }],
        },
    });
    let distributions: Api<Distribution> = Api::namespaced(system.client.clone(), NAMESPACE);
    let apply = Patch::Apply(distribution);
    distributions.patch(NAME, &PatchParams::apply("test"), &apply).await.unwrap();
    system
        .until("the Distribution is offered", WITHIN, || async {
            let status = distributions.get(NAME).await?.status.unwrap_or_default();
            let offered = status.counts.as_ref().is_some_and(|counts| counts.targets > 0);
            Ok(if offered { Ok(()) } else { Err(format!("{status:?}")) })
        })
        .await
        .unwrap();
    let mut request = system.request(&["fixture-hello"]);
    request["distro"] = json!(NAME);
    let answer = system.router.build(&request, WITHIN, |_| {}).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let images = system.router.images(&answer).await.unwrap();
    let image = images.iter().find(|image| image.name.contains("sysupgrade")).unwrap();
    let root = Rootfs::of(&image.bytes).await.unwrap();
    assert!(root.path("usr/bin/hello").exists());
    let caches: Vec<ImageBuilderCache> =
        system.caches().list(&ListParams::default()).await.unwrap().items;
    let cache = caches.iter().find(|cache| cache.spec.distribution == NAME).unwrap();
    let status = cache.status.clone().unwrap();
    assert_eq!(
        status.image.as_deref(),
        Some("localhost/asu-imagebuilder:testarch-small-v24.10.7"),
        "{}",
        cache.name_any()
    );
    distributions.delete(NAME, &DeleteParams::default()).await.unwrap();
}
