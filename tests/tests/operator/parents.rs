//! Distributions with a parent: offered from the parent's catalog, with packages of their own feed.

use asu_crds::{Distribution, DistributionStatus, Feed, Parent, ParentVersion};
use asu_tests::{
    fixtures::child,
    given::{Generation, World, fixture},
};
use kube::api::DeleteParams;

use crate::catalogs::{TARGET, distribution, reason, status};

/// A child of the Distribution `fixture`.
fn child_of(parent: &Distribution, own: &str, feed: Feed) -> Distribution {
    let mut object = parent.clone();
    object.metadata.name = Some("child".into());
    let spec = &mut object.spec;
    spec.upstream = None;
    spec.parent = Some(Parent { distribution: "fixture".into() });
    spec.pinned_caches.clear();
    let branch = &mut spec.branches[0];
    let known = std::mem::replace(&mut branch.versions, vec![own.into()]).remove(0);
    branch.parent_versions = vec![ParentVersion { version: own.into(), parent: known }];
    branch.keys.clear();
    spec.feeds = vec![feed];
    object
}

async fn child_status(
    world: &World,
    what: &str,
    done: impl Fn(&DistributionStatus) -> bool,
) -> DistributionStatus {
    world
        .until(what, || async {
            let status = world.api::<Distribution>().get("child").await.ok()?.status?;
            done(&status).then_some(status)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_offers_the_targets_of_its_parent_until_it_is_deleted() {
    let (fixture, upstream) = fixture(Generation::Opkg);
    let (world, _operator) = World::with_operator(&["--catalog-interval=1s"]).await;
    let parent = distribution(&fixture, &upstream);
    let feed = Feed {
        network_profiles: false,
        name: child::FEED.into(),
        url: format!("{}/{}", upstream.base_url(), child::PATH),
        keys: fixture.child_keys().expect("keys"),
        branches: vec![],
    };
    world.create(&child_of(&parent, "2024.1", feed)).await;
    child_status(&world, "no parent", |status| reason(status) == "ParentMissing").await;
    world.create(&parent).await;
    status(&world, "the parent", |status| reason(status) == "UpToDate").await;
    child_status(&world, "the child", |status| reason(status) == "UpToDate").await;

    let catalog = world.pg_store().load_catalog().await.expect("a catalog");
    let named = |name: &str| catalog.distributions.iter().find(|known| known.name == name);
    let (of_child, of_parent) = (named("child").expect("a child"), named("fixture").expect("it"));
    assert_eq!(of_child.versions[0].name, "2024.1");
    assert_eq!(of_child.versions[0].path, of_parent.versions[0].path);
    assert_eq!(of_child.versions[0].ready[TARGET], of_parent.versions[0].ready[TARGET]);
    assert_eq!(of_child.offer.public_url, of_parent.offer.public_url);
    let arch = &of_child.versions[0].ready[TARGET].arch;
    let feeds = |name: &str| catalog.documents[name].of_arch("fixture", arch).expect("feeds");
    assert!(feeds("child").contains_key(child::FEED), "{:?}", feeds("child"));
    assert!(!feeds("fixture").contains_key(child::FEED));
    assert!(feeds("child").contains_key("base"));

    let api = world.api::<Distribution>();
    api.delete("fixture", &DeleteParams::default()).await.unwrap();
    let missing =
        child_status(&world, "the parent is gone", |status| reason(status) == "ParentMissing")
            .await;
    assert!(missing.catalog_revision.is_some());
    let catalog = world.pg_store().load_catalog().await.expect("a catalog");
    assert!(catalog.distributions.iter().any(|known| known.name == "child"), "it stays offered");
}
