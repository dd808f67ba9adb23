//! What people ask for by hand: to suspend a cache or a Distribution, and to make or read it again.

use asu_crds::{Distribution, ImageBuilderCache, ImageBuilderCacheStatus, is_true};
use asu_tests::{
    fixtures::Upstream,
    given::{Generation, Object, World, cache, fixture, populates},
};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::catalogs::{TARGET, distribution, reason, status};

async fn change<K: Object>(world: &World, name: &str, change: Value) {
    let patch = Patch::Merge(change);
    world.api::<K>().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

fn refresh(value: &str) -> Value {
    json!({"metadata": {"annotations": {"asu.dev/refresh": value}}})
}

fn suspend(suspend: bool) -> Value {
    json!({"spec": {"suspend": suspend}})
}

fn is_suspended(status: &ImageBuilderCacheStatus) -> bool {
    status.reason.as_deref() == Some("Suspended")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_cache_is_filled_when_it_is_resumed() {
    let (world, _operator) = World::with_operator(&[]).await;
    let mut cache = cache();
    cache.spec.suspend = true;
    let name = world.create(&cache).await.name_any();
    let status = world.cache_status(&name, "it is suspended", is_suspended).await;
    assert!(!is_true(&status.conditions, "Ready") && !is_true(&status.conditions, "Stalled"));
    assert!(world.jobs(&populates(&name)).await.is_empty());
    change::<ImageBuilderCache>(&world, &name, suspend(false)).await;
    world.fill_cache(&name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_makes_one_new_tree_which_builds_use_when_it_is_ready() {
    let (world, operator) = World::with_operator(&[]).await;
    let name = world.ready_cache().await.name_any();
    let api = world.api::<ImageBuilderCache>();
    let old = api.get(&name).await.unwrap().status.unwrap();
    // Not while it is suspended.
    change::<ImageBuilderCache>(&world, &name, suspend(true)).await;
    change::<ImageBuilderCache>(&world, &name, refresh("once")).await;
    let held = world.cache_status(&name, "it is suspended", is_suspended).await;
    assert!(is_true(&held.conditions, "Ready"));
    assert_eq!((held.place, held.last_handled_refresh), (old.place.clone(), None));
    change::<ImageBuilderCache>(&world, &name, suspend(false)).await;

    let job = world.new_tree(&name).await;
    assert_eq!(api.get(&name).await.unwrap().status.unwrap().place, old.place);
    // Another leader continues with the same Job.
    operator.terminate().await.unwrap();
    let _next = world.operator("b", &[]).await;
    world.populated(&job).await;
    let handled = |status: &ImageBuilderCacheStatus| status.last_handled_refresh.is_some();
    let new = world.cache_status(&name, "the switch", handled).await;
    assert_eq!(new.last_handled_refresh.as_deref(), Some("once"));
    assert_ne!(new.place, old.place);
    // A build sees that the cache has come to rest.
    world.admitted("luci").await;
    let trees = [old.place.unwrap().sub_path, new.place.clone().unwrap().sub_path];
    for job in world.jobs(&populates(&name)).await {
        assert!(trees.contains(&job.annotations()["asu.dev/tree"]), "a third tree is made");
    }
    assert_eq!(api.get(&name).await.unwrap().status.unwrap().place, new.place);
}

async fn readings(upstream: &Upstream) -> usize {
    let asked = upstream.knobs().requests().await.unwrap();
    asked.iter().filter(|request| request.path.ends_with("/.targets.json")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distribution_is_read_at_once_when_asked_and_never_while_suspended() {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let (world, _operator) = World::with_operator(&["--catalog-interval=1h"]).await;
    world.create(&distribution(&fixture, &upstream)).await;
    let first = status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    assert_eq!(first.last_handled_refresh, None);
    let before = readings(&upstream).await;
    change::<Distribution>(&world, "fixture", refresh("now")).await;
    let handled = |value: &'static str| {
        move |status: &asu_crds::DistributionStatus| {
            status.last_handled_refresh.as_deref() == Some(value)
        }
    };
    status(&world, "it was read again", handled("now")).await;
    assert_eq!(readings(&upstream).await, before + 1);

    change::<Distribution>(&world, "fixture", suspend(true)).await;
    let held = status(&world, "it is suspended", |status| reason(status) == "Suspended").await;
    assert!(is_true(&held.conditions, "Ready") && held.counts == first.counts);
    change::<Distribution>(&world, "fixture", refresh("later")).await;
    // The change is seen: this write comes after it.
    change::<Distribution>(&world, "fixture", json!({"spec": {"title": "Held"}})).await;
    let generation = world.api::<Distribution>().get("fixture").await.unwrap().metadata.generation;
    let seen = |status: &asu_crds::DistributionStatus| status.observed_generation == generation;
    let held = status(&world, "the change is seen", seen).await;
    assert_eq!((reason(&held), held.last_handled_refresh.as_deref()), ("Suspended", Some("now")));
    assert_eq!(readings(&upstream).await, before + 1);
    let catalog = world.pg_store().load_catalog().await.unwrap();
    assert!(catalog.distributions[0].versions[0].ready.contains_key(TARGET), "it stays offered");

    change::<Distribution>(&world, "fixture", suspend(false)).await;
    status(&world, "it was read again", handled("later")).await;
    assert_eq!(readings(&upstream).await, before + 2);
}
