//! The API's role reads everything and adds counters, no more.

use asu_store::{
    StoreError,
    model::{Counter, CounterKind},
};
use asu_tests::{given::database, postgres::TestDatabase};

use crate::samples::{at, hash, none, offer, success};

fn denied<T>(result: &Result<T, StoreError>) -> bool {
    // 42501: insufficient privilege.
    matches!(result, Err(StoreError::Database(text)) if text.contains("42501"))
}

#[tokio::test]
async fn the_api_role_reads_and_counts() {
    let (database, owner) = database().await;
    let api = database.api_store().unwrap();
    owner.archive(&success("u1", "k", 0), 0).await.unwrap();
    assert!(api.newest_by_hash(&hash("request")).await.unwrap().is_some());
    assert!(api.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap().is_some());
    assert_eq!(api.build_events("u1").await.unwrap().len(), 3);
    assert_eq!(api.load_catalog().await.unwrap().revision, 0);
    assert!(api.schema_state().await.unwrap().fits());
    let counter =
        |kind, request_hash| Counter { at: at(0), kind, request_hash, client: None, count: 2 };
    let counters = [
        counter(CounterKind::Request, None),
        counter(CounterKind::CacheHit, Some(hash("request"))),
    ];
    api.record_counters(&counters).await.unwrap();
}

#[tokio::test]
async fn the_api_role_writes_nothing_else() {
    let database = TestDatabase::new().await.unwrap();
    let api = database.api_store().unwrap();
    assert!(denied(&api.raise_epoch().await));
    assert!(denied(&api.archive(&success("u1", "k", 0), 0).await));
    assert!(denied(&api.put_distribution("openwrt", &offer(), &[], none(), 0).await));
}
