//! Documents of upstream: written with the catalog, and kept when the download server breaks.

use asu_core::{
    catalog_documents::{CatalogDocuments, Feeds},
    digest::Digest,
    package_index::PackageIndex,
};
use asu_crds::{Distribution, DistributionStatus};
use asu_tests::{
    fixtures::{Faults, Upstream, World as Fixture},
    given::{Generation, Operator, World, fixture},
};

use super::catalogs::{TARGET, distribution, reason, status};

const ARCH: &str = "testarch_generic";
const BRANCH: &str = "fixture";

/// A world whose operator reads upstream every second. The download server has these faults.
async fn started(generation: Generation, faults: &Faults) -> (World, Fixture, Upstream, Operator) {
    let (fixture, upstream) = fixture(generation);
    upstream.knobs().set(faults).await.expect("faults");
    let (world, operator) = World::with_operator(&["--catalog-interval=1s"]).await;
    let mut object: Distribution = distribution(&fixture, &upstream);
    object.spec.pinned_caches.clear();
    world.create(&object).await;
    (world, fixture, upstream, operator)
}

async fn documents(world: &World) -> CatalogDocuments {
    let catalog = world.pg_store().load_catalog().await.unwrap();
    catalog.documents.get("fixture").map(|found| (**found).clone()).unwrap_or_default()
}

async fn feeds(world: &World) -> Feeds {
    documents(world).await.of_arch(BRANCH, ARCH).cloned().unwrap_or_default()
}

async fn content(world: &World, digest: &Digest) -> Vec<u8> {
    world.pg_store().document(digest).await.unwrap().expect("a document")
}

async fn index(world: &World, digest: &Digest) -> PackageIndex {
    serde_json::from_slice(&content(world, digest).await).unwrap()
}

async fn up_to_date(world: &World) {
    status(world, "the catalog", |status| reason(status) == "UpToDate").await;
}

/// The problems of the branch once there are any.
async fn problems(world: &World) -> DistributionStatus {
    status(world, "the problem", |status| reason(status) == "PartlyRead").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_both_package_generations_are_stored_with_the_catalog() {
    for generation in [Generation::Opkg, Generation::Apk] {
        let (world, fixture, _upstream, _operator) = started(generation, &Faults::default()).await;
        up_to_date(&world).await;
        let kept = documents(&world).await;
        let target = kept.of_target(fixture.version(), TARGET).expect("a target");
        let published = fixture.dir.join("www").join(fixture.target_path(TARGET));
        let published = std::fs::read(published.join("profiles.json")).unwrap();
        assert_eq!(content(&world, &target.profiles).await, published);
        let packages = index(&world, &target.packages.expect("packages")).await;
        assert_eq!(packages.architecture, ARCH);
        let names: Vec<_> = packages.packages().keys().map(String::as_str).collect();
        assert!(names.contains(&"mtd") && names.contains(&"kmod-fixture-core"), "{names:?}");
        let feed = index(&world, &kept.of_arch(BRANCH, ARCH).expect("feeds")["base"]).await;
        assert!(feed.packages().contains_key("busybox"));
        assert!(feed.packages().contains_key("libfix"), "a name without its ABI suffix");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_without_changes_does_not_change_the_catalog() {
    let (world, _, upstream, _operator) = started(Generation::Opkg, &Faults::default()).await;
    up_to_date(&world).await;
    let revision = world
        .until("the world's other distribution", || async {
            let catalog = world.pg_store().load_catalog().await.ok()?;
            (catalog.distributions.len() == 2).then_some(catalog.revision)
        })
        .await;
    upstream.knobs().reset().await.expect("an empty log");
    world
        .until("three more readings", || async {
            let asked = upstream.knobs().requests().await.ok()?;
            let lists = asked.iter().filter(|asked| asked.path.ends_with("/feeds.conf")).count();
            (lists >= 3).then_some(())
        })
        .await;
    assert_eq!(world.pg_store().catalog_revision().await.unwrap(), revision);
    let asked = upstream.knobs().requests().await.unwrap();
    let indexes = asked.iter().filter(|asked| asked.path.ends_with("/index.json"));
    let sent: Vec<_> = indexes.filter(|asked| asked.status == 200).collect();
    assert!(sent.is_empty(), "what has not changed is not sent again: {sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_feed_is_reported_and_its_last_index_is_kept() {
    let (world, _, upstream, _operator) = started(Generation::Opkg, &Faults::default()).await;
    up_to_date(&world).await;
    let before = feeds(&world).await;
    let faults = Faults { not_found: vec![format!("*/{ARCH}/base/*")], ..Faults::default() };
    upstream.knobs().set(&faults).await.expect("a fault");
    let broken = problems(&world).await;
    let problem = &broken.branches[0].problems[0];
    assert!(problem.starts_with(&format!("{ARCH} base: ")), "{problem}");
    assert!(problem.contains("/base/index.json"), "it names the address: {problem}");
    assert_eq!(feeds(&world).await, before);
    upstream.knobs().set(&Faults::default()).await.expect("no fault");
    up_to_date(&world).await;
    assert_eq!(feeds(&world).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_package_index_has_a_wrong_digest_is_offered_without_it() {
    let faults =
        Faults { corrupt: vec![format!("*/{TARGET}/packages/index.json")], ..Faults::default() };
    let (world, fixture, upstream, _operator) = started(Generation::Opkg, &faults).await;
    let broken = problems(&world).await;
    let problem = &broken.branches[0].problems[0];
    assert!(problem.contains("/packages/index.json has the sha256"), "{problem}");
    let offered = world.pg_store().load_catalog().await.unwrap();
    let offered = offered.distributions.iter().find(|found| found.name == "fixture").unwrap();
    assert!(offered.versions[0].ready.contains_key(TARGET));
    let kept = documents(&world).await;
    assert_eq!(kept.of_target(fixture.version(), TARGET).unwrap().packages, None);
    upstream.knobs().set(&Faults::default()).await.expect("no fault");
    up_to_date(&world).await;
    let kept = documents(&world).await;
    assert!(kept.of_target(fixture.version(), TARGET).unwrap().packages.is_some());
}

/// Whether lists of feeds were requested often enough for two readings of two distributions.
async fn read_twice(upstream: &Upstream) -> Option<()> {
    let asked = upstream.knobs().requests().await.ok()?;
    let lists = asked.iter().filter(|asked| asked.path.ends_with("/feeds.conf")).count();
    (lists >= 4).then_some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_downloads_nothing_that_has_not_changed() {
    let (world, _, upstream, first) = started(Generation::Opkg, &Faults::default()).await;
    up_to_date(&world).await;
    let revision = world
        .until("the world's other distribution", || async {
            let catalog = world.pg_store().load_catalog().await.ok()?;
            (catalog.distributions.len() == 2).then_some(catalog.revision)
        })
        .await;
    // The second reading of feeds begins after the memory of the first was kept.
    upstream.knobs().reset().await.expect("an empty log");
    world.until("two readings", || read_twice(&upstream)).await;
    first.terminate().await.unwrap();
    upstream.knobs().reset().await.expect("an empty log");
    let _second = world.operator("second", &["--catalog-interval=1s"]).await;
    world.until("two readings of the new leader", || read_twice(&upstream)).await;
    let asked = upstream.knobs().requests().await.unwrap();
    let large = |path: &str| path.ends_with("/index.json") || path.ends_with("/profiles.json");
    let sent: Vec<_> =
        asked.iter().filter(|asked| large(&asked.path) && asked.status == 200).collect();
    assert!(sent.is_empty(), "what has not changed is not sent again: {sent:?}");
    assert_eq!(world.pg_store().catalog_revision().await.unwrap(), revision);
}
