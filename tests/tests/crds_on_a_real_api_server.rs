//! The custom resource definitions as a real API server understands them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use asu_crds::{
    BuildPriority, CacheWorkspace, Distribution, FirmwareBuild, ImageBuilderCache, Retention,
    Signatures, Validated,
    examples::{build, cache, distribution},
};
use asu_tests::cluster::ControlPlane;
use kube::{
    Api, Client, Resource,
    api::{ListParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};

async fn plane() -> (ControlPlane, Client) {
    let plane = ControlPlane::start().await.unwrap();
    plane.install_definitions().await.unwrap();
    let client = plane.client().await.unwrap();
    (plane, client)
}

fn api<K>(client: &Client) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), "default")
}

async fn create<K>(client: &Client, object: &K) -> Result<K, String>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    api(client).create(&PostParams::default(), object).await.map_err(|error| error.to_string())
}

async fn replace<K>(client: &Client, object: &K) -> Result<K, String>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let name = object.meta().name.clone().unwrap();
    let api = api(client);
    api.replace(&name, &PostParams::default(), object).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_cannot_be_changed_but_its_siblings_can() {
    let (_plane, client) = plane().await;
    let made = create(&client, &build()).await.unwrap();
    let changes: [fn(&mut FirmwareBuild); 3] = [
        |b| b.spec.request.profile = "other".into(),
        |b| b.spec.request.packages.push("vim".into()),
        |b| b.spec.request_hash = "b".repeat(64),
    ];
    for change in changes {
        let mut other = made.clone();
        change(&mut other);
        let refusal = replace(&client, &other).await.unwrap_err();
        assert!(refusal.contains("are a record and cannot be changed"), "{refusal}");
    }
    let mut cancelled = made;
    cancelled.spec.retention = Some(Retention { keep_seconds: 3600 });
    cancelled.spec.priority = BuildPriority::High;
    cancelled.spec.cancel = true;
    let mut revived = replace(&client, &cancelled).await.unwrap();
    revived.spec.cancel = false;
    let refusal = replace(&client, &revived).await.unwrap_err();
    assert!(refusal.contains("stays cancelled"), "{refusal}");
}

fn validated(revision: i64) -> Validated {
    Validated {
        catalog_revision: revision,
        version_code: "r1".into(),
        image_builder_sha256: "a".repeat(64),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_was_validated_against_stays_as_it_was_on_creation() {
    let (_plane, client) = plane().await;
    let without = create(&client, &build()).await.unwrap();
    let mut with = build();
    with.metadata.name = Some("fwb-with".into());
    with.spec.validated = Some(validated(1));
    let with = create(&client, &with).await.unwrap();
    for (made, now) in [(&without, Some(validated(1))), (&with, Some(validated(2))), (&with, None)]
    {
        let mut other = made.clone();
        other.spec.validated = now;
        let refusal = replace(&client, &other).await.unwrap_err();
        assert!(refusal.contains("are a record and cannot be changed"), "{refusal}");
    }
    for mut same in [without, with] {
        same.spec.priority = BuildPriority::High;
        replace(&client, &same).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_named_with_or_without_versions() {
    let (_plane, client) = plane().await;
    for (name, packages, versions) in [
        ("fwb-names", vec!["luci".to_owned()], vec![]),
        ("fwb-versions", vec![], vec![("luci".to_owned(), "1".to_owned())]),
        ("fwb-none", vec![], vec![]),
    ] {
        let mut object = build();
        object.metadata.name = Some(name.into());
        object.spec.request.packages = packages;
        object.spec.request.packages_versions = versions.into_iter().collect();
        create(&client, &object).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_on_creation_hold() {
    let (_plane, client) = plane().await;
    let mut both = build();
    both.spec.request.packages = vec!["luci".into()];
    both.spec.request.packages_versions = [("luci".to_owned(), "1".to_owned())].into();
    let refusal = create(&client, &both).await.unwrap_err();
    assert!(refusal.contains("exclude each other"), "{refusal}");

    let mut unsigned = distribution();
    unsigned.spec.branches[0].keys.clear();
    let refusal = create(&client, &unsigned).await.unwrap_err();
    assert!(refusal.contains("usign public keys"), "{refusal}");
    unsigned.spec.branches[0].signatures = Signatures::NotChecked;
    create(&client, &unsigned).await.unwrap();

    let mut fixed = distribution();
    fixed.metadata.name = Some("fixed".into());
    fixed.spec.branches[0].path = "snapshots".into();
    let refusal = create(&client, &fixed).await.unwrap_err();
    assert!(refusal.contains("{version}"), "{refusal}");
    fixed.spec.branches[0].versions.truncate(1);
    create(&client, &fixed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_of_a_cache_is_fixed_and_how_it_is_used_is_not() {
    let (_plane, client) = plane().await;
    let made = create(&client, &cache()).await.unwrap();
    let identity: [fn(&mut ImageBuilderCache); 4] = [
        |it| it.spec.distribution = "other".into(),
        |it| it.spec.version = "24.10.8".into(),
        |it| it.spec.target = "ath79/nand".into(),
        |it| it.spec.sha256 = "b".repeat(64),
    ];
    for change in identity {
        let mut moved = made.clone();
        change(&mut moved);
        let refusal = replace(&client, &moved).await.unwrap_err();
        assert!(refusal.contains("name the cache"), "{refusal}");
    }
    let mut used: ImageBuilderCache = made;
    used.spec.pinned = true;
    used.spec.workspace = CacheWorkspace::Copy;
    let used = replace(&client, &used).await.unwrap();
    assert_eq!((used.spec.pinned, used.spec.workspace), (true, CacheWorkspace::Copy));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_and_text_is_bounded() {
    let (_plane, client) = plane().await;
    let too_much: [fn(&mut FirmwareBuild); 9] = [
        |b| b.spec.request.packages = vec!["a".into(); 1001],
        |b| b.spec.request.packages = vec!["a".repeat(129)],
        |b| b.spec.request.packages = vec!["$(id)".into()],
        |b| b.spec.request.packages_versions = [("a".to_owned(), "1".repeat(129))].into(),
        |b| b.spec.request.version = "1".repeat(65),
        |b| b.spec.request.target = "../etc".into(),
        |b| b.spec.request.repository_keys = vec!["k".repeat(2049)],
        |b| b.spec.request.rootfs_size_mb = Some(65_537),
        |b| b.spec.request_hash = "A".repeat(64),
    ];
    for (number, change) in too_much.into_iter().enumerate() {
        let mut object = build();
        change(&mut object);
        let refusal = create(&client, &object).await.unwrap_err();
        assert!(refusal.contains("is invalid"), "{number}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_selected_by_their_request_hash() {
    let (_plane, client) = plane().await;
    create(&client, &build()).await.unwrap();
    let mut other = build();
    other.metadata.name = Some("fwb-b".into());
    other.spec.request_hash = "b".repeat(64);
    create(&client, &other).await.unwrap();
    let hash = "b".repeat(64);
    let params = ListParams::default().fields(&format!("spec.requestHash={hash}"));
    let found = api::<FirmwareBuild>(&client).list(&params).await.unwrap();
    let names: Vec<_> =
        found.items.iter().filter_map(|build| build.metadata.name.as_deref()).collect();
    assert_eq!(names, ["fwb-b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_asu_lists_every_kind_with_its_columns() {
    let (plane, client) = plane().await;
    create(&client, &build()).await.unwrap();
    create(&client, &cache()).await.unwrap();
    create::<Distribution>(&client, &distribution()).await.unwrap();
    let table = plane.kubectl(&["get", "asu", "-o", "wide"]).await.unwrap();
    for column in ["VERSION", "TARGET", "PROFILE", "PHASE", "REASON", "MESSAGE", "USERS", "TARGETS"]
    {
        assert!(table.contains(column), "{column} is missing in\n{table}");
    }
    for name in ["distribution.asu.dev/openwrt", "firmwarebuild.asu.dev/fwb-a"] {
        assert!(table.contains(name), "{name} is missing in\n{table}");
    }
}
