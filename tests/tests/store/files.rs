//! A build is archived with files that are there, whatever retention does at the same time.

use std::{fs, path::Path};

use asu_artifacts::ArtifactStore;
use asu_core::{
    build_key::BuildKey,
    retention::{RetentionPolicy, plan},
};
use asu_store::{
    StoreError,
    model::{ArchiveOutcome, NewArchive},
};
use asu_tests::given::database;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::samples::{at, hash, of_request, success};

fn artifacts(folder: &TempDir) -> ArtifactStore {
    ArtifactStore::open(&format!("file://{}", folder.path().display())).unwrap()
}

fn put(folder: &Path, archive: &NewArchive) {
    let result = archive.facts.ending.built().unwrap();
    let folder = folder.join(format!("artifacts/{}", result.build_key));
    fs::create_dir_all(&folder).unwrap();
    for file in &result.files {
        fs::write(folder.join(&file.name), vec![0; usize::try_from(file.size).unwrap()]).unwrap();
    }
}

#[tokio::test]
async fn a_success_without_its_files_is_not_archived_and_leaves_nothing() {
    let (_database, store) = database().await;
    let folder = tempfile::tempdir().unwrap();
    let build = success("u1", "k", 0);
    put(folder.path(), &build);
    let image =
        folder.path().join(format!("artifacts/{}/openwrt-factory.bin", hash::<BuildKey>("k")));
    for change in [fs::write(&image, b"cut").is_ok(), fs::remove_file(&image).is_ok()] {
        assert!(change);
        let refused = store.archive_with(&build, &artifacts(&folder), 0).await;
        assert!(matches!(refused, Err(StoreError::FilesMissing(_))), "{refused:?}");
    }
    assert_eq!(store.build_by_uid("u1").await.unwrap(), None);
    assert_eq!(store.retention_rows().await.unwrap().builds, []);
    let served = store.artifact(&hash("k"), "openwrt-sysupgrade.bin").await.unwrap();
    assert_eq!(served, None, "no row names its files");
    put(folder.path(), &build);
    let archived = store.archive_with(&build, &artifacts(&folder), 0).await.unwrap();
    assert_eq!(archived, ArchiveOutcome::Archived);
}

#[tokio::test]
async fn files_of_a_build_that_is_about_to_be_archived_are_not_deleted() {
    let (database, store) = database().await;
    let folder = tempfile::tempdir().unwrap();
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    let holdings = store.retention_rows().await.unwrap();
    let [deletion] =
        plan(&holdings, None, &RetentionPolicy::default(), at(40)).expired.try_into().unwrap();
    // Another build with the same files is looked at, and one of them is not there yet.
    let build = of_request(success("u2", "k", 39), "other");
    let refused = store.archive_with(&build, &artifacts(&folder), 0).await;
    assert!(matches!(refused, Err(StoreError::FilesMissing(_))), "{refused:?}");
    assert_eq!(store.begin_files_deletion(&deletion, at(50), 0).await.unwrap(), None);
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    connection
        .execute("update file_sets set claimed_until = now() - interval '1 s'")
        .await
        .unwrap();
    assert!(store.begin_files_deletion(&deletion, at(50), 0).await.unwrap().is_some());
}

#[tokio::test]
async fn an_orphan_that_is_claimed_first_is_not_archived_until_it_is_gone() {
    let (_database, store) = database().await;
    assert!(store.claim_orphan(&hash("k"), at(0), 0).await.unwrap());
    assert!(!store.claim_orphan(&hash("k"), at(0), 0).await.unwrap());
    let build = success("u1", "k", 0);
    let refused = store.archive(&build, 0).await;
    assert!(matches!(refused, Err(StoreError::BeingDeleted(_))), "{refused:?}");
    assert_eq!(store.unfinished_deletions().await.unwrap(), [(hash("k"), vec![])]);
    store.mark_files_deleted(&hash("k"), 0).await.unwrap();
    store.archive(&build, 0).await.unwrap();
}

#[tokio::test]
async fn an_orphan_that_is_archived_first_is_not_claimed() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    assert!(!store.claim_orphan(&hash("k"), at(0), 0).await.unwrap());
    assert!(store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap().is_some());
    let known = store.archived_uids(&["u1".into(), "u2".into()]).await.unwrap();
    assert_eq!(known, ["u1".to_owned()].into());
}

#[tokio::test]
async fn nothing_is_written_to_a_schema_that_became_too_new() {
    let (database, store) = database().await;
    let epoch = store.raise_epoch().await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    connection.execute("update schema_info set version = 99, min_reader = 99").await.unwrap();
    assert!(!store.schema_state().await.unwrap().fits());
    let refused = store.archive(&success("u1", "k", 0), epoch).await;
    assert!(matches!(&refused, Err(error) if error.ends_leading()), "{refused:?}");
    assert!(matches!(store.raise_epoch().await, Err(StoreError::SchemaTooNew(99))));
}
