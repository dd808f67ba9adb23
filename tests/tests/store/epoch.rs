//! Only the present leader writes.

use asu_core::retention::Deletion;
use asu_store::StoreError;
use asu_tests::given::database;

use crate::samples::{at, hash, none, offer, success};

fn fenced<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Fenced { ours: 1, current: 2 }))
}

#[tokio::test]
async fn a_leader_that_was_replaced_cannot_write_anything() {
    let (_database, store) = database().await;
    let old = store.raise_epoch().await.unwrap();
    store.archive(&success("u1", "k", 0), old).await.unwrap();
    let new = store.raise_epoch().await.unwrap();
    assert_eq!((old, new, store.current_epoch().await.unwrap()), (1, 2, 2));
    let deletion = Deletion { build_key: hash("k"), bytes: 1, keep_until: at(100) };
    assert!(fenced(&store.archive(&success("u2", "k", 0), old).await));
    assert!(fenced(&store.archive(&success("u1", "k", 0), old).await));
    assert!(fenced(&store.put_distribution("openwrt", &offer(), &[], none(), old).await));
    assert!(fenced(&store.remove_distribution("openwrt", old).await));
    assert!(fenced(&store.begin_files_deletion(&deletion, at(1), old).await));
    assert!(fenced(&store.mark_files_deleted(&hash("k"), old).await));
    assert!(fenced(&store.mark_logs_deleted(&["u1".into()], at(1), old).await));
    assert!(fenced(&store.delete_expired(at(1), 10, old).await));
    assert!(fenced(&store.fold_served(old).await));
    assert_eq!(store.build_by_uid("u2").await.unwrap(), None);
    assert_eq!(store.catalog_revision().await.unwrap(), 0);
    store.archive(&success("u2", "k", 0), new).await.unwrap();
}

#[tokio::test]
async fn an_epoch_from_another_database_is_refused() {
    let (_database, store) = database().await;
    let write = store.archive(&success("u1", "k", 0), 7).await;
    assert!(matches!(write, Err(StoreError::Fenced { ours: 7, current: 0 })));
}
