//! Images of the newer package generations, through the ingress of the installed system.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use std::time::Duration;

use asu_crds::{Distribution, condition};
use asu_tests::{
    deploy::{NAMESPACE, upstream},
    fixtures::World,
    image::Rootfs,
    scenario::System,
    toolchain::cache_dir,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

/// A cache has to be filled first, on a machine that does other things.
const WITHIN: Duration = Duration::from_mins(4);
/// A Distribution of its own, so that no other test sees these versions.
const NAME: &str = "generations";

fn distribution(world: &World) -> Value {
    let key = |version: &str| {
        let release = world.releases.iter().find(|release| release.version == version);
        release.unwrap().public_key.clone()
    };
    json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": NAME},
        "spec": {
            "title": "All generations",
            "upstream": {"fetchURLs": [upstream::URL], "publicURL": world.base_url},
            "targets": ["testarch/small"],
            "branches": [
                {"name": "SNAPSHOT", "path": "snapshots", "versions": ["SNAPSHOT"],
                 "keys": [key("SNAPSHOT")]},
                {"name": "25.12", "versions": ["25.12.5"], "keys": [key("25.12.5")]},
                {"name": "23.05", "versions": ["23.05.5"], "keys": [key("23.05.5")]},
            ],
        },
    })
}

async fn is_ready(system: &System, distributions: &Api<Distribution>) {
    system
        .until("the Distribution is ready", WITHIN, || async {
            let object = distributions.get(NAME).await?;
            let conditions = object.status.unwrap_or_default().conditions;
            let ready = condition(&conditions, "Ready").filter(|ready| ready.status == "True");
            Ok(ready.map(|_| ()).ok_or_else(|| format!("{conditions:?}")))
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_25_12_with_apk_and_of_snapshot_and_23_05_come_through_the_ingress() {
    let system = System::attach().await.unwrap();
    let world = World::ensure_all(&cache_dir()).unwrap();
    let distributions: Api<Distribution> = Api::namespaced(system.client.clone(), NAMESPACE);
    let apply = Patch::Apply(distribution(&world));
    distributions.patch(NAME, &PatchParams::apply("test"), &apply).await.unwrap();
    is_ready(&system, &distributions).await;
    for version in ["25.12.5", "SNAPSHOT", "23.05.5"] {
        let mut request = system.request(&["fixture-hello"]);
        request["distro"] = json!(NAME);
        request["version"] = json!(version);
        let answer = system.router.build(&request, WITHIN, |_| {}).await.unwrap();
        assert_eq!(answer.status, 200, "{version}: {}", answer.body);
        let images = system.router.images(&answer).await.unwrap();
        let image = images.iter().find(|image| image.name.contains("sysupgrade")).unwrap();
        let root = Rootfs::of(&image.bytes).await.unwrap();
        assert!(root.path("usr/bin/hello").exists(), "{version}");
        let release = root.text("etc/openwrt_release").unwrap();
        assert!(release.contains(version), "{version}: {release}");
    }
    distributions.delete(NAME, &DeleteParams::default()).await.unwrap();
}
