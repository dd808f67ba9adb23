//! Loads of the catalog read only what has changed, or what is asked for.

use std::{sync::Arc, time::Duration};

use asu_core::{catalog_documents::CatalogDocuments, digest::Digest, profile_pool::ProfilePool};
use asu_store::{PgStore, PoolSettings, model::Catalog};
use asu_tests::given::database;
use serde_json::json;

use crate::samples::{at, none, offer, version};

fn feed(packages: Digest) -> CatalogDocuments {
    let feeds = [("base".to_owned(), packages)].into();
    CatalogDocuments {
        feeds: [("24.10".to_owned(), [("mips_24kc".to_owned(), feeds)].into())].into(),
        ..CatalogDocuments::default()
    }
}

async fn reload(store: &PgStore, known: &Catalog) -> Catalog {
    let reloaded = store.reload_catalog(known, None, &ProfilePool::default()).await.unwrap();
    assert_eq!(reloaded, store.load_catalog().await.unwrap(), "as if everything was read");
    reloaded
}

#[tokio::test]
async fn a_reload_takes_over_versions_that_have_not_changed() {
    let (_database, store) = database().await;
    let before = [version("24.10.7", &["a"]), version("24.10.6", &["a"])];
    store.put_distribution("openwrt", &offer(), &before, none(), 0).await.unwrap();
    let known = store.load_catalog().await.unwrap();
    let after = [version("24.10.8", &["c"]), version("24.10.7", &["b"]), before[1].clone()];
    store.put_distribution("openwrt", &offer(), &after, none(), 0).await.unwrap();
    let reloaded = reload(&store, &known).await;
    let (old, new) = (&known.distributions[0].versions, &reloaded.distributions[0].versions);
    assert!(Arc::ptr_eq(&old[1], &new[2]));
    assert!(!Arc::ptr_eq(&old[0], &new[1]));
}

#[tokio::test]
async fn a_changed_feed_reloads_no_version_and_a_changed_version_no_documents() {
    let (_database, store) = database().await;
    let put = async |content: &str| store.put_document(content.into(), at(0), 0).await.unwrap();
    let (one, two) = (put("one").await, put("two").await);
    let versions = [version("24.10.7", &["a"])];
    store.put_distribution("openwrt", &offer(), &versions, feed(one), 0).await.unwrap();
    let first = store.load_catalog().await.unwrap();
    store.put_distribution("openwrt", &offer(), &versions, feed(two), 0).await.unwrap();
    let second = reload(&store, &first).await;
    let only = |catalog: &Catalog| catalog.distributions[0].versions[0].clone();
    assert!(Arc::ptr_eq(&only(&first), &only(&second)));
    assert_eq!(*second.documents["openwrt"], feed(two));
    let versions = [version("24.10.7", &["b"])];
    store.put_distribution("openwrt", &offer(), &versions, feed(two), 0).await.unwrap();
    let third = reload(&store, &second).await;
    assert!(Arc::ptr_eq(&second.documents["openwrt"], &third.documents["openwrt"]));
}

#[tokio::test]
async fn one_target_is_read_with_the_names_of_all_versions() {
    let (_database, store) = database().await;
    let versions = [version("24.10.7", &["a"]), version("24.10.6", &["b"])];
    store.put_distribution("openwrt", &offer(), &versions, none(), 0).await.unwrap();
    let found = store.load_target("openwrt", "24.10.6", "ath79/generic").await.unwrap().unwrap();
    assert_eq!((found.revision, &found.offer), (1, &offer()));
    let names: Vec<&str> = found.versions.iter().map(|version| version.name.as_str()).collect();
    assert_eq!(names, ["24.10.7", "24.10.6"]);
    assert!(found.versions[0].ready.is_empty());
    assert_eq!(found.versions[1].ready, versions[1].ready);
    let other = store.load_target("openwrt", "24.10.6", "x86/64").await.unwrap().unwrap();
    assert!(other.versions.iter().all(|version| version.ready.is_empty()));
    assert_eq!(store.load_target("other", "24.10.6", "ath79/generic").await.unwrap(), None);
}

#[tokio::test]
async fn one_distribution_is_read_without_the_others() {
    let (_database, store) = database().await;
    for name in ["one", "two"] {
        let versions = [version("24.10.7", &[name])];
        store.put_distribution(name, &offer(), &versions, none(), 0).await.unwrap();
    }
    let pool = ProfilePool::default();
    let found = store.reload_catalog(&Catalog::default(), Some("two"), &pool).await.unwrap();
    assert_eq!(found.revision, 2);
    let [only] = found.distributions.as_slice() else { panic!("{found:?}") };
    assert_eq!(only.versions[0].ready["ath79/generic"].profiles[0].id, "two");
}

#[tokio::test]
async fn memories_of_readings_are_replaced_and_removed_with_their_distribution() {
    let (_database, store) = database().await;
    store.put_distribution("openwrt", &offer(), &[], none(), 0).await.unwrap();
    let memories = |all: &[(&str, u32)]| {
        all.iter().map(|(scope, etag)| ((*scope).to_owned(), json!({ "etag": etag }))).collect()
    };
    for all in [memories(&[("a", 1), ("b", 1)]), memories(&[("b", 2), ("c", 1)])] {
        store.put_reading_memories("openwrt", &all, 0).await.unwrap();
        assert_eq!(store.reading_memories("openwrt").await.unwrap(), all);
    }
    assert!(store.put_reading_memories("openwrt", &memories(&[]), 1).await.is_err(), "fenced");
    store.remove_distribution("openwrt", 0).await.unwrap();
    assert!(store.reading_memories("openwrt").await.unwrap().is_empty());
}

#[tokio::test]
async fn loading_has_a_time_limit_of_its_own() {
    let (database, _) = database().await;
    let settings = PoolSettings { call_timeout: Duration::ZERO, ..PoolSettings::default() };
    let hasty = PgStore::connect(&database.url, &settings, "asu-tests").unwrap();
    assert!(hasty.catalog_revision().await.unwrap_err().is_unavailable());
    assert!(hasty.load_catalog().await.is_ok());
}
