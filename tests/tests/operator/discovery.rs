//! Versions that a Distribution discovers: offered once the download server has their files.

use asu_crds::Distribution;
use asu_tests::{
    fixtures::{Faults, Upstream, World as Fixture},
    given::{Generation, Operator, World, fixture},
};
use serde_json::json;

use super::catalogs::{distribution, reason, status};

/// A world whose operator reads every second a Distribution that lists no version and discovers them.
async fn started(faults: &Faults) -> (World, Fixture, Upstream, Operator) {
    let (fixture, upstream) = fixture(Generation::Opkg);
    upstream.knobs().set(faults).await.expect("faults");
    let (world, operator) = World::with_operator(&["--catalog-interval=1s"]).await;
    let mut object: Distribution = distribution(&fixture, &upstream);
    object.spec.pinned_caches.clear();
    let branch = &mut object.spec.branches[0];
    let (name, _) = fixture.version().rsplit_once('.').expect("a version with a branch");
    name.clone_into(&mut branch.name);
    branch.versions.clear();
    branch.discover = serde_json::from_value(json!({})).expect("default rules");
    world.create(&object).await;
    (world, fixture, upstream, operator)
}

async fn versions(world: &World) -> Vec<String> {
    let catalog = world.pg_store().load_catalog().await.expect("the catalog");
    let found = catalog.distributions.into_iter().find(|found| found.name == "fixture");
    found.map(|found| found.offer.branches[0].versions.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_version_is_offered_when_its_files_appear_and_nobody_changes_anything() {
    let faults = Faults { not_found: vec!["*/.targets.json".to_owned()], ..Faults::default() };
    let (world, fixture, upstream, _operator) = started(&faults).await;
    status(&world, "the missing files", |status| reason(status) == "NothingRead").await;
    assert_eq!(versions(&world).await, [""; 0]);
    upstream.knobs().set(&Faults::default()).await.expect("no fault");
    let ready = status(&world, "the version", |status| reason(status) == "UpToDate").await;
    assert_eq!(ready.counts.expect("counts").versions, 1);
    assert_eq!(versions(&world).await, [fixture.version()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_stay_offered_while_the_list_cannot_be_read() {
    let (world, fixture, upstream, _operator) = started(&Faults::default()).await;
    status(&world, "the version", |status| reason(status) == "UpToDate").await;
    let faults = Faults { not_found: vec!["/.versions.json".to_owned()], ..Faults::default() };
    upstream.knobs().set(&faults).await.expect("a fault");
    let broken = status(&world, "the problem", |status| reason(status) == "PartlyRead").await;
    let problem = &broken.branches[0].problems[0];
    assert!(problem.contains(".versions.json"), "it names the address: {problem}");
    assert_eq!(versions(&world).await, [fixture.version()]);
}
