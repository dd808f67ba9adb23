//! Migrations, and what programs make of the schema.

use std::{fs, path::Path, time::Duration};

use asu_store::{
    PgStore, PoolSettings, StoreError,
    migrate::{MigrateOptions, migrate},
    schema::{SCHEMA_VERSION, SchemaState},
};
use asu_tests::{
    given::database,
    postgres::{Postgres, TestDatabase},
};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::samples::success;

#[tokio::test]
async fn repeated_and_concurrent_migrations_succeed() {
    let postgres = Postgres::start().await.unwrap();
    let name = "asu_fresh";
    let mut admin = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    admin.execute("create database asu_fresh").await.unwrap();
    let url = postgres.url(name);
    let store = PgStore::connect(&url, &PoolSettings::default(), "test").unwrap();
    assert_eq!(store.schema_state().await.unwrap(), SchemaState::Missing);
    let options = MigrateOptions {
        api_role_password: Some("it's a \"strange\\ password".into()),
        wait: Duration::from_secs(10),
    };
    let (first, second) = tokio::join!(migrate(&url, &options), migrate(&url, &options));
    first.unwrap();
    second.unwrap();
    migrate(&url, &options).await.unwrap();
    assert_eq!(store.schema_state().await.unwrap(), SchemaState::Current);
}

#[tokio::test]
async fn a_newer_schema_is_used_only_if_it_supports_this_program() {
    let (database, store) = database().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    connection.execute("update schema_info set version = 99, min_reader = 1").await.unwrap();
    assert_eq!(store.schema_state().await.unwrap(), SchemaState::NewerCompatible(99));
    connection.execute("update schema_info set min_reader = 98").await.unwrap();
    assert_eq!(store.schema_state().await.unwrap(), SchemaState::TooNew(99));
}

#[tokio::test]
async fn a_migration_of_a_rolled_back_release_does_no_harm() {
    let database = TestDatabase::new().await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let newer =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9999, 'of the next release', true, '\\x00', 0)";
    connection.execute(newer).await.unwrap();
    let options = MigrateOptions { wait: Duration::from_secs(10), ..MigrateOptions::default() };
    migrate(&database.url, &options).await.unwrap();
}

#[test]
fn the_newest_migration_is_the_version_of_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/migrations");
    let numbers = fs::read_dir(folder).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.split('_').next().unwrap().parse::<i32>().unwrap()
    });
    assert_eq!(numbers.max(), Some(SCHEMA_VERSION));
}

#[tokio::test]
async fn history_lines_cannot_be_changed() {
    let database = TestDatabase::new().await.unwrap();
    database.store().unwrap().archive(&success("u1", "k", 0), 0).await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let change = connection.execute("update build_events set message = ''").await;
    assert!(change.unwrap_err().to_string().contains("append only"));
}

#[tokio::test]
async fn a_migration_waits_for_a_database_with_a_time_limit() {
    let options = MigrateOptions { api_role_password: None, wait: Duration::from_millis(300) };
    let refused = migrate("postgres://u:secret@127.0.0.1:1/x", &options).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    assert!(!format!("{refused:?} {refused}").contains("secret"));
}

#[tokio::test]
async fn debug_output_and_errors_contain_no_password() {
    let url = "postgres://user:secret@127.0.0.1:1/x";
    let store = PgStore::connect(url, &PoolSettings::default(), "test").unwrap();
    assert!(!format!("{store:?}").contains("secret"));
    let options =
        MigrateOptions { api_role_password: Some("secret".into()), ..MigrateOptions::default() };
    assert!(!format!("{options:?}").contains("secret"));
    let bad = PgStore::connect("postgres://user:secret@:x:/", &PoolSettings::default(), "test");
    let error = bad.unwrap_err();
    assert!(matches!(error, StoreError::Url));
    assert!(!format!("{error:?} {error}").contains("secret"));
}
