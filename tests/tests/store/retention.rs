//! Files go in steps that may break anywhere.

use asu_core::{
    build_key::BuildKey,
    retention::{Deletion, RetentionPolicy, plan},
};
use asu_store::{PgStore, StoreError, model::ArchiveOutcome};
use asu_tests::given::database;

use crate::samples::{at, failure, hash, of_request, success};

async fn decide(store: &PgStore, hours: i64) -> Vec<Deletion> {
    let holdings = store.retention_rows().await.unwrap();
    plan(&holdings, None, &RetentionPolicy::default(), at(hours)).expired
}

async fn begin(store: &PgStore, deletion: &Deletion) -> Option<Vec<String>> {
    store.begin_files_deletion(deletion, at(50), 0).await.unwrap()
}

#[tokio::test]
async fn shared_files_are_deleted_after_their_last_build() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    store.archive(&of_request(success("u2", "k", 20), "other"), 0).await.unwrap();
    assert_eq!(decide(&store, 15).await, []);
    let [deletion] = decide(&store, 31).await.try_into().unwrap();
    assert_eq!((&deletion.build_key, deletion.bytes), (&hash("k"), 16));
    let objects = begin(&store, &deletion).await.unwrap();
    let folder = format!("artifacts/{}", hash::<BuildKey>("k"));
    assert_eq!(
        objects,
        [format!("{folder}/openwrt-factory.bin"), format!("{folder}/openwrt-sysupgrade.bin")]
    );
}

#[tokio::test]
async fn files_are_not_served_before_they_are_deleted() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    let [deletion] = decide(&store, 40).await.try_into().unwrap();
    begin(&store, &deletion).await.unwrap();
    let found = store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap();
    assert_eq!(found, None);
    let record = store.build_by_uid("u1").await.unwrap().unwrap();
    assert_eq!(record.files_deleted_at, Some(at(50)));
    assert_eq!(record.facts.ending.built().unwrap().files, []);
    assert!(!record.facts.ending.built().unwrap().manifest.is_empty(), "history keeps it");
    assert_eq!(store.retention_rows().await.unwrap().sets, []);
}

#[tokio::test]
async fn a_build_after_the_decision_keeps_the_files() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    let [deletion] = decide(&store, 40).await.try_into().unwrap();
    store.archive(&of_request(success("u2", "k", 39), "other"), 0).await.unwrap();
    assert_eq!(begin(&store, &deletion).await, None);
    assert!(store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap().is_some());
}

#[tokio::test]
async fn no_build_is_archived_with_files_that_are_being_deleted() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    let [deletion] = decide(&store, 40).await.try_into().unwrap();
    let objects = begin(&store, &deletion).await.unwrap();
    let late = success("u2", "k", 41);
    let refused = store.archive(&late, 0).await;
    assert!(matches!(refused, Err(StoreError::BeingDeleted(key)) if key == hash("k")));
    let unfinished = store.unfinished_deletions().await.unwrap();
    assert_eq!(unfinished, [(hash("k"), objects)], "a restart finds it");
    store.mark_files_deleted(&hash("k"), 0).await.unwrap();
    store.mark_files_deleted(&hash("k"), 0).await.unwrap();
    assert_eq!(store.unfinished_deletions().await.unwrap(), []);
    assert_eq!(store.archive(&late, 0).await.unwrap(), ArchiveOutcome::Archived);
    assert!(store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap().is_some());
    let old = store.build_by_uid("u1").await.unwrap().unwrap();
    assert!(old.files_deleted_at.is_some());
}

#[tokio::test]
async fn marking_files_as_deleted_needs_a_begun_deletion() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    store.mark_files_deleted(&hash("k"), 0).await.unwrap();
    assert!(store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap().is_some());
}

#[tokio::test]
async fn logs_and_results_of_all_attempts_are_listed_until_deleted() {
    let (_database, store) = database().await;
    store.archive(&failure("u1", 0), 0).await.unwrap();
    let holdings = store.retention_rows().await.unwrap();
    let uids = plan(&holdings, None, &RetentionPolicy::default(), at(11)).logs;
    assert_eq!(uids, ["u1"]);
    let [logs] = store.log_objects(&uids).await.unwrap().try_into().unwrap();
    for key in ["logs/u1.zst", "results/u1.json", "logs/u1.1.zst", "results/u1.2.json"] {
        assert!(logs.object_keys.iter().any(|object_key| object_key == key), "{key}");
    }
    store.mark_logs_deleted(&uids, at(12), 0).await.unwrap();
    assert_eq!(store.log_objects(&uids).await.unwrap(), []);
    assert_eq!(store.retention_rows().await.unwrap().builds, []);
    let record = store.build_by_uid("u1").await.unwrap().unwrap();
    assert_eq!(record.log_deleted_at, Some(at(12)));
}

#[tokio::test]
async fn history_is_deleted_only_after_its_files_and_logs() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    store.archive(&failure("u2", 0), 0).await.unwrap();
    assert_eq!(store.delete_expired(at(100), 10, 0).await.unwrap(), 0);
    store.mark_logs_deleted(&["u1".into(), "u2".into()], at(12), 0).await.unwrap();
    assert_eq!(store.delete_expired(at(5), 10, 0).await.unwrap(), 0);
    assert_eq!(store.delete_expired(at(100), 10, 0).await.unwrap(), 1, "u1 has files");
    let [deletion] = decide(&store, 40).await.try_into().unwrap();
    begin(&store, &deletion).await.unwrap();
    store.mark_files_deleted(&hash("k"), 0).await.unwrap();
    assert_eq!(store.delete_expired(at(100), 10, 0).await.unwrap(), 1);
    assert_eq!(store.build_by_uid("u1").await.unwrap(), None);
    assert_eq!(store.build_events("u1").await.unwrap(), []);
}
