//! Queries are checked against what is committed about them.

use asu_tests::postgres::offline;

#[tokio::test]
async fn the_committed_query_descriptions_match_the_schema() {
    let outdated = offline::outdated().await.unwrap();
    assert!(outdated.is_empty(), "run `cargo xtask sqlx`: {outdated:?}");
}
