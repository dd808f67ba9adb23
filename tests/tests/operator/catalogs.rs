//! Distributions: what the download server offers becomes the catalog, and stays when it breaks.

use asu_core::catalog::Distribution as Catalogued;
use asu_crds::{
    Distribution, DistributionStatus, FirmwareBuild, ImageBuilderCache, condition, labels,
};
use asu_tests::{
    fixtures::{Faults, Upstream, World as Fixture},
    given::{Generation, Operator, World, fixture},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

pub const TARGET: &str = "testarch/small";

pub fn distribution(fixture: &Fixture, upstream: &Upstream) -> Distribution {
    serde_json::from_value(json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": "fixture"},
        "spec": {
            "title": "Fixture",
            "upstream": {"fetchURLs": [upstream.base_url()], "publicURL": fixture.base_url},
            "branches": [{
                "name": "fixture",
                "versions": [fixture.version()],
                "keys": [fixture.public_key]
            }],
            "pinnedCaches": [{"version": fixture.version(), "target": TARGET}]
        }
    }))
    .expect("a Distribution")
}

async fn catalogued(world: &World) -> Option<Catalogued> {
    let catalog = world.pg_store().load_catalog().await.ok()?;
    catalog.distributions.into_iter().find(|distribution| distribution.name == "fixture")
}

pub async fn status(
    world: &World,
    what: &str,
    done: impl Fn(&DistributionStatus) -> bool,
) -> DistributionStatus {
    world
        .until(what, || async {
            let status = world.api::<Distribution>().get("fixture").await.ok()?.status?;
            done(&status).then_some(status)
        })
        .await
}

pub fn reason(status: &DistributionStatus) -> &str {
    condition(&status.conditions, "Ready")
        .map(|condition| condition.reason.as_str())
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_catalog_is_written_and_survives_a_bad_document() {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let (world, _operator) = World::with_operator(&["--catalog-interval=1s"]).await;
    world.create(&distribution(&fixture, &upstream)).await;
    let good = status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    assert!(good.counts.unwrap().profiles > 0);
    assert!(good.branches.is_empty() && good.last_successful_update.is_some());
    let before = catalogued(&world).await.expect("a row");
    assert_eq!(before.offer.latest, [fixture.version()]);
    assert_eq!(Some(before.revision), good.catalog_revision);

    let pinned = world
        .until("the pinned cache", || async {
            let caches = world.api::<ImageBuilderCache>().list(&ListParams::default()).await;
            caches.ok()?.items.into_iter().next()
        })
        .await;
    let offered = &before.versions[0].ready[TARGET].image_builder;
    assert!(pinned.spec.pinned);
    assert_eq!(pinned.spec.sha256, offered.sha256.to_string());
    assert_eq!(pinned.spec.file, offered.file);
    world.job(&format!("{}={}", labels::CACHE, pinned.name_any())).await;

    let faults = Faults { not_found: vec!["*/.targets.json".into()], ..Faults::default() };
    upstream.knobs().set(&faults).await.expect("a fault");
    let bad = status(&world, "the problem", |status| reason(status) == "PartlyRead").await;
    assert_eq!(bad.branches[0].name, "fixture");
    assert_eq!(catalogued(&world).await, Some(before), "the last good catalog stays");

    upstream.knobs().set(&Faults::default()).await.expect("no fault");
    let api = world.api::<Distribution>();
    let touch = Patch::Merge(json!({"spec": {"title": "Fixture again"}}));
    api.patch("fixture", &PatchParams::default(), &touch).await.unwrap();
    status(&world, "it recovers", |status| reason(status) == "UpToDate").await;

    api.delete("fixture", &DeleteParams::default()).await.unwrap();
    world
        .until("the object is gone", || async {
            api.get_opt("fixture").await.ok()?.is_none().then_some(())
        })
        .await;
    assert_eq!(catalogued(&world).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_signature_is_reported_and_nothing_is_offered() {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let faults = Faults { wrong_signature: vec!["*".into()], ..Faults::default() };
    upstream.knobs().set(&faults).await.expect("a fault");
    let (world, _operator) = World::with_operator(&[]).await;
    world.create(&distribution(&fixture, &upstream)).await;
    let found = status(&world, "the problem", |status| !status.branches.is_empty()).await;
    assert!(found.branches[0].problems[0].contains("sha256sums"), "{found:?}");
    let ready: usize = catalogued(&world)
        .await
        .map(|catalogued| catalogued.versions.iter().map(|version| version.ready.len()).sum())
        .unwrap_or_default();
    assert_eq!(ready, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_cannot_be_read_is_read_again_before_the_interval_ends() {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let (mut world, _operator) = World::with_operator(&["--catalog-interval=1h"]).await;
    let mut object = distribution(&fixture, &upstream);
    object.spec.pinned_caches.clear();
    world.create(&object).await;
    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    world.database.stop().unwrap();
    let change = Patch::Merge(json!({"spec": {"limits": {"maxRootfsSizeMb": 77}}}));
    let api = world.api::<Distribution>();
    api.patch("fixture", &PatchParams::default(), &change).await.unwrap();
    status(&world, "the failure", |status| reason(status) == "DatabaseUnavailable").await;
    world.database.resume().await.unwrap();
    world
        .until("the change is offered", || async {
            (catalogued(&world).await?.offer.max_rootfs_size_mb == 77).then_some(())
        })
        .await;
}

/// A world whose catalog is that of the fixture, with what keeps it so.
async fn with_catalog() -> (World, Fixture, (Upstream, Operator)) {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let (world, operator) = World::with_operator(&[]).await;
    let mut object = distribution(&fixture, &upstream);
    object.spec.pinned_caches.clear();
    world.create(&object).await;
    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    (world, fixture, (upstream, operator))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validation_data_of_a_build_made_by_hand_are_not_trusted() {
    let (world, fixture, _running) = with_catalog().await;
    let forged = |mut build: FirmwareBuild| {
        build.spec.validated = Some(asu_crds::Validated {
            catalog_revision: 1,
            version_code: "r9-forged".into(),
            image_builder_sha256: "f".repeat(64),
        });
        build
    };
    let request = |profile: &str, rest: serde_json::Value| {
        let mut request = json!({
            "distribution": "fixture", "version": fixture.version(), "target": TARGET,
            "profile": profile,
        });
        request.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let rendered = asu_operator::render::build(&request.to_string()).expect("an object");
        forged(serde_yaml::from_str(&rendered).expect("YAML of an object"))
    };
    let honest = world.create(&request("acme_router-a", json!({}))).await;
    let accepted =
        world.status(&honest, "it is accepted", |status| status.resolved.is_some()).await;
    let offered = catalogued(&world).await.expect("a row").versions[0].ready[TARGET].clone();
    let resolved = accepted.resolved.unwrap();
    assert_eq!(resolved.image_builder_sha256, offered.image_builder.sha256.to_string());
    assert_eq!(resolved.version_code, offered.version_code);
    for (profile, rest, said) in [
        ("nobodys_router", json!({}), "nobodys_router"),
        ("acme_router-a", json!({"rootfsSizeMb": 65_000}), "rootfs_size_mb"),
        ("acme_router-a", json!({"repositories": {"x": "https://evil.example/x"}}), "evil.example"),
        ("acme_router-a", json!({"versionCode": "r9-forged"}), "version_code"),
    ] {
        let build = world.create(&request(profile, rest)).await;
        let refused = world.archived(&build).await;
        assert_eq!(refused.reason.as_deref(), Some("Refused"), "{said}");
        assert!(refused.message.unwrap_or_default().contains(said), "{said}");
        assert!(world.jobs_of(&build).await.is_empty());
    }
}

/// A build as a person makes it with `render-build` and kubectl.
async fn build_by_hand(world: &World, fixture: &Fixture, profile: &str) -> FirmwareBuild {
    let request = json!({
        "distribution": "fixture", "version": fixture.version(), "target": TARGET,
        "profile": profile, "packages": ["fixture-hello"],
    });
    let rendered = asu_operator::render::build(&request.to_string()).expect("an object");
    let build: FirmwareBuild = serde_yaml::from_str(&rendered).expect("YAML of an object");
    assert!(build.spec.validated.is_none());
    world.create(&build).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_made_by_hand_is_resolved_with_the_catalog_and_built() {
    let (world, fixture, _running) = with_catalog().await;
    let build = build_by_hand(&world, &fixture, "acme_router-a").await;
    let accepted = world.status(&build, "it is accepted", |status| status.resolved.is_some()).await;
    let resolved = accepted.resolved.unwrap();
    let catalogued = catalogued(&world).await.expect("a row");
    let offered = &catalogued.versions[0].ready[TARGET];
    assert_eq!(resolved.version_code, offered.version_code);
    assert_eq!(resolved.image_builder_sha256, offered.image_builder.sha256.to_string());
    assert_eq!(resolved.catalog_revision, catalogued.revision);
    assert_eq!(resolved.profile, "acme_router-a");
    world.fill_cache(&resolved.cache_name).await;
    world.succeed(&build).await;
    world.archived(&build).await;
    let uid = build.uid().unwrap();
    let record = world.pg_store().build_by_uid(&uid).await.unwrap().expect("a record");
    assert_eq!(record.facts.version_code, offered.version_code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_made_by_hand_of_what_is_not_offered_is_refused() {
    let (world, fixture, _running) = with_catalog().await;
    let build = build_by_hand(&world, &fixture, "nobodys_router").await;
    let refused = world.archived(&build).await;
    assert_eq!(refused.reason.as_deref(), Some("Refused"));
    assert!(refused.message.unwrap_or_default().contains("nobodys_router"));
    assert!(world.jobs_of(&build).await.is_empty());
}
