//! The custom resource definitions as a real API server understands them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use asu_crds::{
    BuildPriority, CacheWorkspace, Distribution, FirmwareBuild, ImageBuilderCache, PackageEdit,
    RenamePrefix, Retention, Signatures, Validated,
    examples::{build, cache, distribution},
};
use asu_tests::{
    cluster::ControlPlane,
    given::{self, Object},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};

/// The control plane, and a client of a namespace of one's own on it.
async fn plane() -> (Arc<ControlPlane>, Client) {
    let plane = given::plane().await;
    let mut config = plane.config().await.unwrap();
    config.default_namespace = given::namespace(&plane.client().await.unwrap()).await;
    (plane, Client::try_from(config).unwrap())
}

fn api<K: Object>(client: &Client) -> Api<K> {
    Api::default_namespaced(client.clone())
}

async fn create<K: Object>(client: &Client, object: &K) -> Result<K, String> {
    api(client).create(&PostParams::default(), object).await.map_err(|error| error.to_string())
}

async fn replace<K: Object>(client: &Client, object: &K) -> Result<K, String> {
    let name = object.meta().name.clone().unwrap();
    let api = api(client);
    api.replace(&name, &PostParams::default(), object).await.map_err(|error| error.to_string())
}

/// What the API server says of a change to the record that a build is.
const RECORD: &str = "are a record and cannot be changed";

/// Changes an object that is there, which the API server has to refuse for that reason.
async fn assert_refused<K: Object>(
    client: &Client,
    made: &K,
    change: impl FnOnce(&mut K),
    why: &str,
) {
    let mut other = made.clone();
    change(&mut other);
    let refusal = replace(client, &other).await.unwrap_err();
    assert!(refusal.contains(why), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_cannot_be_changed_but_other_fields_can() {
    let (_plane, client) = plane().await;
    let made = create(&client, &build()).await.unwrap();
    let changes: [fn(&mut FirmwareBuild); 3] = [
        |b| b.spec.request.profile = "other".into(),
        |b| b.spec.request.packages.push("vim".into()),
        |b| b.spec.request_hash = "b".repeat(64),
    ];
    for change in changes {
        assert_refused(&client, &made, change, RECORD).await;
    }
    let mut cancelled = made;
    cancelled.spec.retention = Some(Retention { keep_seconds: 3600 });
    cancelled.spec.priority = BuildPriority::High;
    cancelled.spec.cancel = true;
    let cancelled = replace(&client, &cancelled).await.unwrap();
    assert_refused(&client, &cancelled, |b| b.spec.cancel = false, "stays cancelled").await;
}

fn validated(revision: i64) -> Validated {
    Validated {
        catalog_revision: revision,
        version_code: "r1".into(),
        image_builder_sha256: "a".repeat(64),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_data_cannot_be_changed_after_creation() {
    let (_plane, client) = plane().await;
    let without = create(&client, &build()).await.unwrap();
    let mut with = build();
    with.metadata.name = Some("fwb-with".into());
    with.spec.validated = Some(validated(1));
    let with = create(&client, &with).await.unwrap();
    for (made, now) in [(&without, Some(validated(1))), (&with, Some(validated(2))), (&with, None)]
    {
        assert_refused(&client, made, |b| b.spec.validated = now, RECORD).await;
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
async fn a_package_edit_needs_an_action_and_plain_names() {
    let (_plane, client) = plane().await;
    let mut edited = distribution();
    edited.spec.package_edits = vec![PackageEdit::default()];
    let refusal = create(&client, &edited).await.unwrap_err();
    assert!(refusal.contains("a rule needs an action"), "{refusal}");
    edited.spec.package_edits[0].add = vec!["-fitblk".into()];
    let refusal = create(&client, &edited).await.unwrap_err();
    assert!(refusal.contains("packageEdits[0].add[0]"), "{refusal}");
    let rename = |to: &str| Some(RenamePrefix { from: "opkg-".into(), to: to.into() });
    edited.spec.package_edits[0].add = vec!["fitblk".into()];
    edited.spec.package_edits[0].rename_prefix = rename("opkg-x-");
    let refusal = create(&client, &edited).await.unwrap_err();
    assert!(refusal.contains("must not begin with from"), "{refusal}");
    edited.spec.package_edits[0].rename_prefix = rename("package-manager-");
    edited.spec.package_edits[0].targets = vec!["mediatek/*".into()];
    create(&client, &edited).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_of_a_cache_cannot_be_changed_but_its_use_can() {
    let (_plane, client) = plane().await;
    let made = create(&client, &cache()).await.unwrap();
    let identity: [fn(&mut ImageBuilderCache); 4] = [
        |cache| cache.spec.distribution = "other".into(),
        |cache| cache.spec.version = "24.10.8".into(),
        |cache| cache.spec.target = "ath79/nand".into(),
        |cache| cache.spec.sha256 = "b".repeat(64),
    ];
    for change in identity {
        assert_refused(&client, &made, change, "name the cache").await;
    }
    let mut used: ImageBuilderCache = made;
    used.spec.pinned = true;
    used.spec.workspace = CacheWorkspace::Copy;
    let used = replace(&client, &used).await.unwrap();
    assert_eq!((used.spec.pinned, used.spec.workspace), (true, CacheWorkspace::Copy));
}

/// Makes an object with each of these changes, which the API server has to refuse.
async fn assert_too_much<K: Object>(client: &Client, object: &K, too_much: &[fn(&mut K)]) {
    for (number, change) in too_much.iter().enumerate() {
        let mut object = object.clone();
        change(&mut object);
        let refusal = create(client, &object).await.unwrap_err();
        assert!(refusal.contains("is invalid"), "{number}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_and_text_of_a_build_is_bounded() {
    let (_plane, client) = plane().await;
    let too_much: [fn(&mut FirmwareBuild); 11] = [
        |b| b.spec.request.packages = vec!["a".into(); 1001],
        |b| b.spec.request.packages = vec!["a".repeat(129)],
        |b| b.spec.request.packages = vec!["$(id)".into()],
        |b| b.spec.request.packages_versions = [("a".to_owned(), "1".repeat(129))].into(),
        |b| b.spec.request.packages_versions = [("a".repeat(129), "1".to_owned())].into(),
        |b| b.spec.request.repositories = [("a".repeat(65), "https://a.example".to_owned())].into(),
        |b| b.spec.request.version = "1".repeat(65),
        |b| b.spec.request.target = "../etc".into(),
        |b| b.spec.request.repository_keys = vec!["k".repeat(2049)],
        |b| b.spec.request.rootfs_size_mb = Some(65_537),
        |b| b.spec.request_hash = "A".repeat(64),
    ];
    assert_too_much(&client, &build(), &too_much).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_and_text_of_a_distribution_is_bounded() {
    let (_plane, client) = plane().await;
    let too_much: [fn(&mut Distribution); 12] = [
        |d| d.spec.title = "t".repeat(65),
        |d| d.spec.upstream.as_mut().unwrap().fetch_urls = vec!["http://a".into(); 9],
        |d| d.spec.upstream.as_mut().unwrap().fetch_urls = vec!["file:///etc/passwd".into()],
        |d| d.spec.upstream.as_mut().unwrap().public_url = "http://user:password@host".into(),
        |d| {
            let url = format!("http://{}", "a".repeat(512));
            d.spec.upstream.as_mut().unwrap().package_base_url = Some(url);
        },
        |d| d.spec.branches.clear(),
        |d| d.spec.branches[0].versions = vec!["1".into(); 65],
        |d| d.spec.branches[0].keys = vec!["k".repeat(50); 9],
        |d| d.spec.branches[0].path = "../{version}".into(),
        |d| d.spec.targets = vec!["a/b".into(); 257],
        |d| d.spec.limits.build_seconds = 7201,
        |d| d.spec.limits.max_defaults_length = 131_073,
    ];
    assert_too_much(&client, &distribution(), &too_much).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_a_cache_is_bounded() {
    let (_plane, client) = plane().await;
    let too_much: [fn(&mut ImageBuilderCache); 5] = [
        |cache| cache.spec.sha256 = "a".repeat(65),
        |cache| cache.spec.file = "../ib.tar.zst".into(),
        |cache| cache.spec.file = "a".repeat(256),
        |cache| cache.spec.target_path = "/etc".into(),
        |cache| cache.spec.version = "1".repeat(65),
    ];
    assert_too_much(&client, &cache(), &too_much).await;
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
    let get = ["get", "asu", "-n", client.default_namespace(), "-o", "wide"];
    let table = plane.kubectl(&get).await.unwrap();
    for column in ["VERSION", "TARGET", "PROFILE", "PHASE", "REASON", "MESSAGE", "USERS", "TARGETS"]
    {
        assert!(table.contains(column), "{column} is missing in\n{table}");
    }
    for name in ["distribution.asu.dev/openwrt", "firmwarebuild.asu.dev/fwb-a"] {
        assert!(table.contains(name), "{name} is missing in\n{table}");
    }
}
