//! Download servers of several package generations whose content moves: new versions, new revisions of
//! snapshots, and files by the wrong key.

use asu_core::catalog::Distribution as Catalogued;
use asu_crds::Distribution;
use asu_tests::{
    fixtures::{Faults, Moved, Upstream, World as Fixture},
    given::{Generation, Operator, World, fixture},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::catalogs::{TARGET, reason, status};

/// Key that signs the releases of a world.
fn release_key(fixture: &Fixture) -> &str {
    let release = fixture.releases.iter().find(|release| !release.snapshot).expect("a release");
    &release.public_key
}

fn distribution(fixture: &Fixture, upstream: &Upstream, branches: &Value) -> Distribution {
    serde_json::from_value(json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": "fixture"},
        "spec": {
            "title": "Fixture",
            "upstream": {"fetchURLs": [upstream.base_url()], "publicURL": fixture.base_url},
            "branches": branches,
        }
    }))
    .expect("a Distribution")
}

/// A world whose operator reads these branches of the download server of all generations every second.
async fn started(
    generation: Generation,
    faults: &Faults,
    branches: impl FnOnce(&Fixture) -> Value,
) -> (World, Fixture, Upstream, Operator) {
    let (fixture, upstream) = fixture(generation);
    upstream.knobs().set(faults).await.expect("faults");
    let (world, operator) = World::with_operator(&["--catalog-interval=1s"]).await;
    world.create(&distribution(&fixture, &upstream, &branches(&fixture))).await;
    (world, fixture, upstream, operator)
}

async fn catalogued(world: &World) -> Option<Catalogued> {
    let catalog = world.pg_store().load_catalog().await.ok()?;
    catalog.distributions.into_iter().find(|distribution| distribution.name == "fixture")
}

/// The revision that a version offers for the target.
async fn revision(world: &World, version: &str) -> Option<String> {
    let found = catalogued(world).await?;
    Some(found.version(version)?.ready.get(TARGET)?.version_code.clone())
}

async fn until_revision(world: &World, version: &str, wanted: &str) {
    world
        .until(&format!("{version} is offered with {wanted}"), || async {
            (revision(world, version).await? == wanted).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_all_package_generations_are_offered_from_one_server() {
    let branches = |fixture: &Fixture| {
        let (release, snapshot) = (release_key(fixture), &fixture.public_key);
        json!([
            {"name": "SNAPSHOT", "path": "snapshots", "versions": ["SNAPSHOT"], "keys": [snapshot]},
            {"name": "25.12", "versions": ["25.12.5"], "keys": [release]},
            {"name": "24.10", "versions": ["24.10.7"], "keys": [release]},
            {"name": "23.05", "versions": ["23.05.5"], "keys": [release]},
        ])
    };
    let (world, fixture, _upstream, _operator) =
        started(Generation::Snapshot, &Faults::default(), branches).await;
    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    for version in ["SNAPSHOT", "25.12.5", "24.10.7", "23.05.5"] {
        let release = fixture.releases.iter().find(|release| release.version == version);
        let expected = release.map(|release| release.revision.clone());
        assert_eq!(revision(&world, version).await, expected, "{version}");
    }
    let catalog = world.pg_store().load_catalog().await.unwrap();
    let packages = |version: &str| {
        let documents = catalog.documents["fixture"].of_target(version, TARGET)?;
        documents.packages
    };
    let old = packages("23.05.5").expect("packages of 23.05.5");
    let index = world.pg_store().document(&old).await.unwrap().expect("a document");
    let index: asu_core::package_index::PackageIndex = serde_json::from_slice(&index).unwrap();
    let names: Vec<&str> = index.packages().keys().map(String::as_str).collect();
    assert!(names.contains(&"kmod-fixture-core"), "kernel modules are packages: {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_upstream_publishes_is_offered_and_one_that_it_withdraws_is_not() {
    let absent = |version: &str| Faults { absent: vec![version.into()], ..Faults::default() };
    let branches = |fixture: &Fixture| json!([{"name": "24.10", "discover": {}, "keys": [release_key(fixture)]}]);
    let (world, _, upstream, _operator) =
        started(Generation::BranchSnapshot, &absent("24.10.8"), branches).await;
    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    let offered = || async {
        let found = catalogued(&world).await?;
        Some(found.offer.branches[0].versions.clone())
    };
    assert_eq!(offered().await.unwrap(), ["24.10.7"]);
    upstream.knobs().set(&Faults::default()).await.unwrap();
    let both = ["24.10.8", "24.10.7"];
    world.until("both", || async { (offered().await? == both).then_some(()) }).await;
    upstream.knobs().set(&absent("24.10.7")).await.unwrap();
    world.until("the newer", || async { (offered().await? == both[..1]).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_offered_with_its_next_revision_when_upstream_rebuilds_it() {
    for (generation, version) in
        [(Generation::Snapshot, "SNAPSHOT"), (Generation::BranchSnapshot, "24.10-SNAPSHOT")]
    {
        let branches = |fixture: &Fixture| {
            let path = &fixture.releases[0].path;
            json!([{"name": "head", "path": path, "versions": [version],
                    "keys": [fixture.public_key]}])
        };
        let (world, fixture, upstream, _operator) =
            started(generation, &Faults::default(), branches).await;
        let release = &fixture.releases[0];
        until_revision(&world, version, &release.revision).await;
        let moved = Faults { moved: fixture.moved(Moved::All), ..Faults::default() };
        upstream.knobs().set(&moved).await.unwrap();
        let later = release.later.as_ref().expect("a later revision");
        until_revision(&world, version, &later.revision).await;
        status(&world, "no problem", |status| reason(status) == "UpToDate").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_whose_packages_are_still_the_old_ones_is_offered_with_a_problem() {
    let branches = |fixture: &Fixture| {
        json!([{"name": "head", "path": "snapshots", "versions": ["SNAPSHOT"],
                "keys": [fixture.public_key]}])
    };
    let (world, fixture, upstream, _operator) =
        started(Generation::Snapshot, &Faults::default(), branches).await;
    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    let half = Faults { moved: fixture.moved(Moved::ImageBuilder), ..Faults::default() };
    upstream.knobs().set(&half).await.unwrap();
    let later = fixture.releases[0].later.as_ref().expect("a later revision");
    until_revision(&world, "SNAPSHOT", &later.revision).await;
    let found = status(&world, "the problem", |status| !status.branches.is_empty()).await;
    let problem = &found.branches[0].problems[0];
    assert!(problem.contains("packages/index.json"), "it names the address: {problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_snapshots_signs_no_release_and_a_key_for_releases_no_snapshot() {
    let branches = |release: &str, snapshot: &str| {
        json!([{
            "name": "24.10",
            "keys": [release],
            "discover": {
                "channels": ["Release", "Snapshot"], "newest": 1,
                "channelKeys": [{"channel": "Snapshot", "keys": [snapshot]}],
            },
        }])
    };
    let right = |fixture: &Fixture| branches(release_key(fixture), &fixture.public_key);
    let (world, fixture, ..) =
        &started(Generation::BranchSnapshot, &Faults::default(), right).await;
    status(world, "both", |status| reason(status) == "UpToDate").await;
    assert!(revision(world, "24.10.8").await.is_some());
    assert!(revision(world, "24.10-SNAPSHOT").await.is_some());

    let swapped = branches(&fixture.public_key, release_key(fixture));
    let patch = Patch::Merge(json!({"spec": {"branches": swapped}}));
    let api = world.api::<Distribution>();
    api.patch("fixture", &PatchParams::default(), &patch).await.unwrap();
    let found = status(world, "the problems", |status| !status.branches.is_empty()).await;
    let problems = found.branches[0].problems.join("\n");
    for version in ["24.10.8", "24.10-SNAPSHOT"] {
        assert!(problems.contains(&format!("{version}/targets")), "{version}: {problems}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_the_list_of_versions_is_reported_and_the_versions_stay() {
    let branches = |fixture: &Fixture| json!([{"name": "24.10", "discover": {}, "keys": [release_key(fixture)]}]);
    let (world, _, upstream, _operator) =
        started(Generation::BranchSnapshot, &Faults::default(), branches).await;
    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    let list = || vec!["/.versions.json".to_owned()];
    let of = |value| [("/.versions.json".to_owned(), value)].into();
    for (faults, mentions) in [
        (Faults { status_500: list(), ..Faults::default() }, "500"),
        (Faults { html: list(), ..Faults::default() }, "malformed"),
        (Faults { truncate: of(-1), ..Faults::default() }, "broke off"),
        (
            Faults {
                huge: [("/.versions.json".to_owned(), 200 << 20)].into(),
                ..Faults::default()
            },
            "is larger than",
        ),
    ] {
        upstream.knobs().set(&faults).await.unwrap();
        let named = |status: &asu_crds::DistributionStatus| {
            status.branches.iter().any(|branch| branch.problems.join(" ").contains(mentions))
        };
        status(&world, mentions, named).await;
        let versions = catalogued(&world).await.unwrap().offer.branches[0].versions.clone();
        assert_eq!(versions, ["24.10.8", "24.10.7"]);
    }
    let late = Faults { clock: 400 * 86_400, ..Faults::default() };
    upstream.knobs().set(&late).await.unwrap();
    status(&world, "no problem in the future", |status| reason(status) == "UpToDate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distribution_in_another_namespace_is_ignored_and_unknown_fields_are_refused() {
    let branches = |fixture: &Fixture| json!([{"name": "24.10", "versions": ["24.10.7"], "keys": [release_key(fixture)]}]);
    let (world, fixture, upstream, _operator) =
        started(Generation::BranchSnapshot, &Faults::default(), branches).await;
    let name = format!("{}-other", world.namespace);
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let others: Api<Distribution> = Api::namespaced(world.client.clone(), &name);
    let object = distribution(&fixture, &upstream, &branches(&fixture));
    others.create(&PostParams::default(), &object).await.unwrap();

    let typo = json!({"apiVersion": "asu.dev/v1alpha1", "kind": "Distribution",
                      "metadata": {"name": "fixture"}, "spec": {"upstraem": {}}});
    let strict = PatchParams::apply("test").validation_strict();
    let api = world.api::<Distribution>();
    let refused = api.patch("fixture", &strict, &Patch::Apply(typo)).await.unwrap_err();
    assert!(refused.to_string().contains("upstraem"), "it names the field: {refused}");

    status(&world, "the catalog", |status| reason(status) == "UpToDate").await;
    let other = others.get("fixture").await.unwrap();
    assert!(other.finalizers().is_empty(), "nobody has seen it");
    assert!(other.status.is_none_or(|status| status.conditions.is_empty()));
}
