//! The database goes away and comes back.

use std::time::Duration;

use asu_store::{
    PgStore, PoolSettings,
    listen::{CATALOG_CHANNEL, Hint, listen},
    model::ArchiveOutcome,
};
use asu_tests::postgres::{Postgres, TestDatabase};
use futures::StreamExt as _;

use crate::samples::{hash, none, offer, success};

const SOON: Duration = Duration::from_secs(30);

fn connect(url: &str) -> PgStore {
    let settings =
        PoolSettings { acquire_timeout: Duration::from_millis(500), ..PoolSettings::default() };
    PgStore::connect(url, &settings, "test").unwrap()
}

#[tokio::test]
async fn calls_are_unavailable_without_the_database_and_succeed_afterwards() {
    let mut database = TestDatabase::own().await.unwrap();
    let store = connect(&database.url);
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    database.stop().unwrap();
    for _ in 0..2 {
        let away = store.newest_by_hash(&hash("request")).await.unwrap_err();
        assert!(away.is_unavailable(), "{away:?}");
        let away = store.archive(&success("u2", "k", 0), 0).await.unwrap_err();
        assert!(away.is_unavailable(), "{away:?}");
    }
    database.resume().await.unwrap();
    assert!(store.newest_by_hash(&hash("request")).await.unwrap().is_some());
    let again = store.archive(&success("u2", "k", 0), 0).await.unwrap();
    assert_eq!(again, ArchiveOutcome::Archived);
}

#[tokio::test]
async fn a_pool_without_a_free_connection_is_unavailable() {
    let database = TestDatabase::own().await.unwrap();
    let settings = PoolSettings {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(200),
        call_timeout: Duration::from_secs(2),
    };
    let store = PgStore::connect(&database.url, &settings, "test").unwrap();
    let blocker = lock_epoch(&database.url).await;
    let build = success("u1", "k", 0);
    // The first holds the only connection while it waits for the lock.
    let (first, second) = tokio::join!(store.archive(&build, 0), async {
        tokio::task::yield_now().await;
        store.catalog_revision().await
    });
    assert!(first.unwrap_err().is_unavailable());
    assert!(second.unwrap_err().is_unavailable());
    drop(blocker);
}

async fn lock_epoch(url: &str) -> sqlx::PgConnection {
    use sqlx::{Connection as _, Executor as _};
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    connection.execute("begin").await.unwrap();
    connection.execute("select * from leader_epoch for update").await.unwrap();
    connection
}

#[tokio::test]
async fn a_listener_reconnects_and_requests_a_check() {
    let mut database = TestDatabase::own().await.unwrap();
    let mut hints = listen(database.url.clone(), [CATALOG_CHANNEL]);
    let mut next = async || tokio::time::timeout(SOON, hints.next()).await.expect("a hint");
    assert_eq!(next().await, Some(Hint::Check));
    database.stop().unwrap();
    database.resume().await.unwrap();
    assert_eq!(next().await, Some(Hint::Check));
    let store = connect(&database.url);
    store.put_distribution("openwrt", &offer(), &[], none(), 0).await.unwrap();
    assert!(matches!(next().await, Some(Hint::Changed { payload, .. }) if payload == "1"));
}

#[tokio::test]
async fn a_server_and_its_folder_are_removed_after_the_test() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.url("postgres");
    assert!(connect(&postgres.url("asu_template")).catalog_revision().await.is_ok());
    drop(postgres);
    assert!(connect(&url).catalog_revision().await.unwrap_err().is_unavailable());
}
