//! No query has to read a whole table that grows with the history.

use std::{fs, path::Path};

use asu_tests::postgres::TestDatabase;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

/// Tables that grow with the number of builds and requests.
const GROWING: [&str; 8] = [
    "builds",
    "artifacts",
    "manifests",
    "build_events",
    "file_sets",
    "request_counters",
    "statistics_days",
    "statistics_packages",
];

/// Queries that are about every row of their table: the file sets that the store holds.
const WHOLE: [&str; 1] = ["select build_key, bytes from file_sets where deleting_since is null"];

/// Every query of the programs with the number of its parameters, from the committed facts.
fn queries() -> Vec<(String, usize)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/.sqlx");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let fact: Value = serde_json::from_str(&text).unwrap();
            let parameters = fact.pointer("/describe/parameters/Left").unwrap();
            let query = fact.get("query").and_then(Value::as_str).unwrap();
            (query.to_owned(), parameters.as_array().unwrap().len())
        })
        .collect()
}

async fn plan(connection: &mut PgConnection, query: &str, parameters: usize) -> String {
    let statement = format!("prepare asked as {query}");
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    let nulls = vec!["null"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    let explain = format!("explain execute asked{arguments}");
    let rows = connection.fetch_all(AssertSqlSafe(explain)).await.unwrap();
    connection.execute("deallocate asked").await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn every_query_finds_its_rows_in_growing_tables_by_an_index() {
    let database = TestDatabase::new().await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    // Of empty tables the planner reads all. Without that it does so only where no index helps.
    connection.execute("set enable_seqscan = off").await.unwrap();
    connection.execute("set plan_cache_mode = force_generic_plan").await.unwrap();
    let mut looked_at = 0;
    for (query, parameters) in queries() {
        let words: Vec<&str> = query.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        let grows = GROWING.iter().any(|table| words.contains(table));
        if !grows || WHOLE.contains(&query.trim()) {
            continue;
        }
        let plan = plan(&mut connection, &query, parameters).await;
        for table in GROWING {
            let whole = format!("Seq Scan on {table}");
            let found = plan.lines().find(|line| {
                line.split_once(&whole).is_some_and(|(_, rest)| rest.starts_with(' '))
            });
            assert_eq!(found, None, "{query}\n{plan}");
        }
        looked_at += 1;
    }
    assert!(looked_at > 15, "{looked_at}");
}
