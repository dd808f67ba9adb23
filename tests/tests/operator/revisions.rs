//! Builds that require a revision of a snapshot which upstream has and the catalog does not have yet.

use asu_crds::{Distribution, DistributionStatus, FirmwareBuild, ImageBuilderCache, condition};
use asu_tests::given::{DownloadServer, Operator, TARGET, World, reason};
use kube::{
    ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

const SNAPSHOT: &str = "24.10-SNAPSHOT";
const OLD: &str = "r29197-ab4c7d6af7";
const NEW: &str = "r29200-0123456789";

/// A world whose operator has read the old revision, and reads again only when it is asked to.
async fn started() -> (World, DownloadServer, Operator) {
    let server = DownloadServer::start(&[SNAPSHOT], OLD).await;
    let (world, operator) = World::with_operator(&["--catalog-interval=1h"]).await;
    let spec = json!({"spec": {
        "upstream": {"fetchURLs": [server.url]},
        "branches": [{"name": "24.10", "versions": [SNAPSHOT], "signatures": "NotChecked"}],
    }});
    let api = world.api::<Distribution>();
    api.patch("openwrt", &PatchParams::default(), &Patch::Merge(&spec)).await.expect("a spec");
    catalog(&world, "the catalog", |status| status.counts.is_some()).await;
    (world, server, operator)
}

async fn catalog(
    world: &World,
    what: &str,
    done: impl Fn(&DistributionStatus) -> bool,
) -> DistributionStatus {
    world
        .until(what, async || {
            let status = world.api::<Distribution>().get("openwrt").await.ok()?.status?;
            let ready = condition(&status.conditions, "Ready")?;
            (ready.reason == "UpToDate" && done(&status)).then_some(status)
        })
        .await
}

/// A build of a revision, as the API creates it.
async fn build(world: &World, revision: &str) -> FirmwareBuild {
    let request = json!({
        "distribution": "openwrt", "version": SNAPSHOT, "target": TARGET, "profile": "dev_a",
        "versionCode": revision,
    });
    let rendered = asu_operator::render::build(&request.to_string()).expect("an object");
    let build: FirmwareBuild = serde_yaml::from_str(&rendered).expect("YAML of an object");
    world.create(&build).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_upstream_has_is_built_although_the_catalog_did_not_have_it() {
    let (world, server, _operator) = started().await;
    server.replace(&[SNAPSHOT], NEW);
    let before = catalog(&world, "a revision", |_| true).await.catalog_revision;
    let build = build(&world, NEW).await;
    let accepted = world.status(&build, "it is accepted", |status| status.resolved.is_some()).await;
    assert_eq!(accepted.resolved.expect("what it is built with").version_code, NEW);
    catalog(&world, "the new revision is offered", |status| status.catalog_revision > before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_revision_is_built_although_the_former_image_builder_still_serves() {
    let (world, server, _operator) = started().await;
    let first = build(&world, OLD).await;
    let status = world.status(&first, "it is accepted", |status| status.resolved.is_some()).await;
    let old = status.resolved.expect("what it is built with").cache_name;
    world.fill_cache(&old).await;
    world.succeed(&first).await;
    world.archived(&first).await;
    server.replace(&[SNAPSHOT], NEW);
    let second = build(&world, NEW).await;
    let status = world.status(&second, "it is accepted", |status| status.resolved.is_some()).await;
    let new = status.resolved.expect("what it is built with");
    assert_eq!(new.version_code, NEW);
    assert_ne!(new.cache_name, old);
    let caches = world.api::<ImageBuilderCache>().list(&ListParams::default()).await;
    let mut names = caches.expect("caches").items.into_iter().map(|cache| cache.name_any());
    assert!(names.any(|name| name == new.cache_name), "its cache is being filled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_upstream_does_not_have_either_is_refused_with_both_names() {
    let (world, _server, _operator) = started().await;
    let build = build(&world, NEW).await;
    let refused = world.archived(&build).await;
    assert_eq!(reason(&refused), "RevisionMismatch");
    let message = refused.message.clone().unwrap_or_default();
    assert!(message.contains(OLD) && message.contains(NEW), "{message}");
    assert!(world.record_of(&build).await.is_none(), "nothing was built, so nothing is recorded");
    assert!(world.jobs_of(&build).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_distribution_is_suspended_an_unknown_revision_is_refused_at_once() {
    let (world, server, _operator) = started().await;
    server.replace(&[SNAPSHOT], NEW);
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
    let api = world.api::<Distribution>();
    api.patch("openwrt", &PatchParams::default(), &suspend).await.expect("a spec");
    let build = build(&world, NEW).await;
    let refused = world.archived(&build).await;
    assert_eq!(reason(&refused), "RevisionMismatch");
    let message = refused.message.clone().unwrap_or_default();
    assert!(message.contains("is suspended"), "{message}");
}
