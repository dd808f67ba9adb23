//! Versions that a Distribution discovers: offered once the download server has their files.

use asu_core::{
    failure::{Failure, FailureReason},
    request::Request,
};
use asu_crds::{Distribution, ImageBuilderCache, Prewarm};
use asu_store::model::Ending;
use asu_tests::{
    fixtures::{Faults, Upstream, World as Fixture},
    given::{Generation, Operator, World, fixture, record, request},
};
use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::json;

use super::catalogs::{distribution, reason, status};

/// A world whose operator reads every second a Distribution that lists no version and discovers them.
async fn started(faults: &Faults) -> (World, Fixture, Upstream, Operator) {
    let (fixture, upstream) = fixture(Generation::Opkg);
    upstream.knobs().set(faults).await.expect("faults");
    let (world, operator) = World::with_operator(&["--catalog-interval=1s"]).await;
    world.create(&discovering(&fixture, &upstream)).await;
    (world, fixture, upstream, operator)
}

/// A Distribution that lists no version and discovers them.
fn discovering(fixture: &Fixture, upstream: &Upstream) -> Distribution {
    let mut object: Distribution = distribution(fixture, upstream);
    object.spec.pinned_caches.clear();
    let branch = &mut object.spec.branches[0];
    let (name, _) = fixture.version().rsplit_once('.').expect("a version with a branch");
    name.clone_into(&mut branch.name);
    branch.versions.clear();
    branch.discover = serde_json::from_value(json!({})).expect("default rules");
    object
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_used_target_of_a_branch_is_prewarmed_when_a_version_appears() {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let world = World::new().await;
    for (uid, target) in [("1", "testarch/disk"), ("2", "testarch/small"), ("3", "testarch/small")]
    {
        let request = Request {
            distribution: "fixture".to_owned(),
            version: fixture.version().to_owned(),
            target: target.parse().expect("a target"),
            ..request("device", &["luci"])
        };
        let ending = Ending::Failed(Failure::new(FailureReason::Cancelled, "cancelled"));
        let new = record(uid, request, ending, Timestamp::now());
        world.pg_store().archive(&new, 0).await.expect("a record");
    }
    let faults = Faults { not_found: vec!["*/.targets.json".to_owned()], ..Faults::default() };
    upstream.knobs().set(&faults).await.expect("faults");
    let _operator = world.operator("a", &["--catalog-interval=1s"]).await;
    let mut object = discovering(&fixture, &upstream);
    object.spec.prewarm = Some(Prewarm { most_used: 1 });
    world.create(&object).await;
    status(&world, "the missing files", |status| reason(status) == "NothingRead").await;
    upstream.knobs().set(&Faults::default()).await.expect("no fault");
    status(&world, "the version", |status| reason(status) == "UpToDate").await;
    let caches = world.api::<ImageBuilderCache>().list(&ListParams::default()).await;
    let caches = caches.expect("the caches").items.into_iter().map(|cache| cache.spec);
    let found: Vec<_> = caches.map(|spec| (spec.version, spec.target, spec.pinned)).collect();
    let expected = (fixture.version().to_owned(), "testarch/small".to_owned(), false);
    assert_eq!(found, [expected], "it was created before the version was offered");
}
