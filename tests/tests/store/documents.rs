//! Documents of upstream: each is stored once, as long as a catalog refers to it.

use asu_core::{
    catalog_documents::{CatalogDocuments, TargetDocuments},
    digest::Digest,
};
use asu_store::{PgStore, StoreError};
use asu_tests::postgres::TestDatabase;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::samples::{at, offer, plain, version};

async fn put(store: &PgStore, content: &str) -> Digest {
    store.put_document(content.into(), at(0), 0).await.unwrap()
}

/// References of version 24.10.7: profiles and packages of its target, and a feed of its branch.
fn documents(profiles: Digest, packages: Option<Digest>, feed: Digest) -> CatalogDocuments {
    let target = TargetDocuments { profiles, packages };
    CatalogDocuments {
        targets: [("24.10.7".into(), [("ath79/generic".parse().unwrap(), target)].into())].into(),
        feeds: [("24.10".into(), [("mips_24kc".into(), [("base".into(), feed)].into())].into())]
            .into(),
    }
}

/// Rows of the tables, with the transactions that wrote them: equal only if nothing was written.
async fn rows(database: &TestDatabase) -> Vec<String> {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let mut rows = Vec::new();
    for query in [
        "select concat_ws(' ', xmin, digest, size, seen_at) from documents order by digest",
        "select concat_ws(' ', xmin, version, target, profiles, packages) from target_documents",
        "select concat_ws(' ', xmin, branch, arch, feed, packages) from feed_documents",
        "select concat_ws(' ', xmin, revision) from catalog_state",
    ] {
        let found = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
        rows.extend(found.iter().map(|row| row.get::<String, _>(0)));
    }
    rows
}

#[tokio::test]
async fn a_document_is_stored_compressed_and_read_byte_for_byte() {
    let database = TestDatabase::new().await.unwrap();
    let (store, api) = (database.store().unwrap(), database.api_store().unwrap());
    let content = "{\"profiles\":{}} ".repeat(10_000);
    let digest = put(&store, &content).await;
    assert_eq!(digest, Digest::of(content.as_bytes()));
    assert_eq!(api.document(&digest).await.unwrap().unwrap(), content.as_bytes());
    assert_eq!(api.document(&Digest::of(b"other")).await.unwrap(), None);
    let empty = put(&store, "").await;
    assert_eq!(api.document(&empty).await.unwrap().unwrap(), b"");
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let most = sqlx::query("select max(length(content)) from documents");
    let most: i32 = most.fetch_one(&mut connection).await.unwrap().get(0);
    assert!(most < 1000, "{most}");
    assert!(matches!(api.put_document(vec![1], at(0), 0).await, Err(StoreError::Database(_))));
}

#[tokio::test]
async fn writing_the_same_documents_again_changes_no_row() {
    let database = TestDatabase::new().await.unwrap();
    let store = database.store().unwrap();
    let versions = [version("24.10.7", &["a"])];
    let write = async || {
        let (profiles, packages, feed) =
            (put(&store, "a").await, put(&store, "b").await, put(&store, "c").await);
        let documents = documents(profiles, Some(packages), feed);
        store.put_distribution("openwrt", &offer(), &versions, documents, 0).await.unwrap()
    };
    let first = write().await;
    assert_eq!((first.revision, first.changed, first.missing), (1, true, 0));
    let before = rows(&database).await;
    let second = write().await;
    assert_eq!((second.revision, second.changed, second.missing), (1, false, 0));
    assert_eq!(rows(&database).await, before);
}

#[tokio::test]
async fn a_new_document_changes_the_revision_of_the_catalog_but_no_version() {
    let database = TestDatabase::new().await.unwrap();
    let store = database.store().unwrap();
    let versions = [version("24.10.7", &["a"])];
    let (one, two) = (put(&store, "one").await, put(&store, "two").await);
    for (feed, revision) in [(one, 1), (two, 2)] {
        let wanted = documents(one, Some(one), feed);
        let write = store
            .put_distribution("openwrt", &offer(), &versions, wanted.clone(), 0)
            .await
            .unwrap();
        assert_eq!((write.revision, write.changed), (1, true));
        let catalog = store.load_catalog().await.unwrap();
        assert_eq!(catalog.revision, revision, "replicas load it");
        assert_eq!(catalog.documents, [("openwrt".to_owned(), wanted.into())].into());
        assert_eq!(plain(&catalog.distributions[0]), versions);
    }
}

#[tokio::test]
async fn references_to_missing_documents_are_left_out_and_counted() {
    let database = TestDatabase::new().await.unwrap();
    let store = database.store().unwrap();
    let (there, gone) = (put(&store, "there").await, Digest::of(b"gone"));
    let wanted = documents(there, Some(gone), gone);
    let versions = [version("24.10.7", &["a"])];
    let mut missing = Vec::new();
    for _ in 0..2 {
        let write = store.put_distribution("openwrt", &offer(), &versions, wanted.clone(), 0).await;
        let write = write.unwrap();
        missing.push((write.missing, write.changed));
    }
    assert_eq!(missing, [(1, true), (1, false)]);
    let found = store.load_catalog().await.unwrap().documents.remove("openwrt").unwrap();
    let target = found.of_target("24.10.7", "ath79/generic").unwrap();
    assert_eq!(*target, TargetDocuments { profiles: there, packages: None });
    assert_eq!(found.of_arch("24.10", "mips_24kc"), None);
}

#[tokio::test]
async fn a_document_without_references_is_deleted_if_no_reading_found_it_recently() {
    let database = TestDatabase::new().await.unwrap();
    let store = database.store().unwrap();
    let (used, unused) = (put(&store, "used").await, put(&store, "unused").await);
    let again = put(&store, "found again").await;
    let versions = [version("24.10.7", &["a"])];
    let documents = documents(used, None, used);
    store.put_distribution("openwrt", &offer(), &versions, documents, 0).await.unwrap();
    assert_eq!(store.delete_unused_documents(at(0), 0).await.unwrap(), 0, "just written");
    store.put_document(b"found again".into(), at(30), 0).await.unwrap();
    assert_eq!(store.delete_unused_documents(at(24), 0).await.unwrap(), 1);
    assert!(store.document(&unused).await.unwrap().is_none());
    assert!(store.document(&used).await.unwrap().is_some());
    assert!(store.document(&again).await.unwrap().is_some());
    store.remove_distribution("openwrt", 0).await.unwrap();
    assert!(store.load_catalog().await.unwrap().documents.is_empty());
    assert_eq!(store.delete_unused_documents(at(48), 0).await.unwrap(), 2);
}

#[tokio::test]
async fn a_former_leader_neither_writes_nor_deletes_documents() {
    let database = TestDatabase::new().await.unwrap();
    let store = database.store().unwrap();
    let digest = put(&store, "a").await;
    let epoch = store.raise_epoch().await.unwrap();
    let fenced = |error| matches!(error, StoreError::Fenced { .. });
    assert!(store.put_document(vec![1], at(0), 0).await.is_err_and(fenced));
    assert!(store.delete_unused_documents(at(9), 0).await.is_err_and(fenced));
    assert!(store.document(&digest).await.unwrap().is_some());
    assert_eq!(store.delete_unused_documents(at(9), epoch).await.unwrap(), 1);
}
