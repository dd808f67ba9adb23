//! The chart sets what the programs read.

use std::{collections::BTreeSet, path::Path};

use asu_tests::root;
use serde_json::{Value, json};

use crate::render::{external, find, of_kind, system};

/// Names of the environment variables that a source reads.
fn names(source: &str) -> BTreeSet<String> {
    let options = source.split("env = \"").skip(1);
    options.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn source(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The text of all sources in a folder.
pub(crate) fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all += &std::fs::read_to_string(path).unwrap();
        }
    }
    all
}

/// What each program reads.
fn known() -> [(&'static str, BTreeSet<String>); 3] {
    let main = source("operator/src/main.rs");
    let (both, migration) = main.split_once("struct Migrate").unwrap();
    let database = source("store/src/settings.rs");
    let operator = names(&(source("operator/src/settings.rs") + &database + both));
    let migrate = names(&(migration.to_owned() + both));
    let api = names(&(sources(&root().join("api/src")) + &database));
    [("operator", operator), ("migrate", migrate), ("api", api)]
}

/// Settings that no value of the chart is about. A new one is either set by the chart or named here.
fn left_to_extra_env(program: &str) -> &'static [&'static str] {
    match program {
        "operator" => &[
            "ASU_CACHE_USE_INTERVAL",
            "ASU_DATABASE_URL_FILE",
            "ASU_DEFAULTS_TIMEOUT",
            "ASU_FRESH_FAILURE",
            "ASU_FRESH_MOVING",
            "ASU_FRESH_PRIVATE",
            "ASU_FRESH_RELEASE",
            "ASU_HISTORY",
            // The ServiceAccount of builds names the Secrets.
            "ASU_IMAGE_PULL_SECRET",
            "ASU_KEEP_FAILED",
            "ASU_KEEP_PRIVATE",
            "ASU_KEEP_SUCCEEDED",
            "ASU_LEASE_DURATION",
            "ASU_LEASE_RENEW_DEADLINE",
            "ASU_LEASE_RETRY",
            "ASU_RETENTION_GRACE",
            "ASU_RETENTION_INTERVAL",
            "ASU_RETENTION_ORPHANS",
            "ASU_RETENTION_SPARE",
            "ASU_RETRY_PAUSE",
        ],
        "api" => &[
            "ASU_ANSWER_CACHE_BYTES",
            "ASU_DATABASE_CONNECTIONS",
            "ASU_DATABASE_URL_FILE",
            "ASU_DOWNLOADS_PER_CLIENT",
            "ASU_FORWARDED_HOPS",
            "ASU_MAX_CONNECTIONS",
            "ASU_MAX_REQUESTS",
            "ASU_MIN_DOWNLOAD_RATE",
        ],
        _ => &["ASU_MIGRATE_PATIENCE"],
    }
}

fn variables(spec: &Value) -> Vec<&str> {
    let env = spec["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter().map(|variable| variable["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_chart_sets_what_each_program_reads_and_nothing_else() {
    let known = known();
    let mut set = known.clone().map(|(program, _)| {
        let left = left_to_extra_env(program).iter().map(|name| (*name).to_owned());
        left.collect::<BTreeSet<_>>()
    });
    for values in [
        json!({
            "cache": { "maxBytes": 1 << 30, "storageClassName": "x" }, "api": { "contact": "x" },
            "store": { "capacity": "1Gi" }
        }),
        json!({ "cache": { "claimMode": "shared" }, "builds": { "memoryMax": "2Gi" } }),
        external(),
    ] {
        let objects = system(values).await;
        let [migrate] = of_kind(&objects, "Job")[..] else { panic!("not one Job") };
        for ((program, known), set) in known.iter().zip(&mut set) {
            let object = match *program {
                "migrate" => migrate,
                name => find(&objects, "Deployment", &format!("asu-{name}")),
            };
            // sqlx reads the password by the name that Postgres' own programs know.
            let variables = variables(&object["spec"]);
            for variable in variables.iter().filter(|name| **name != "PGPASSWORD") {
                assert!(known.contains(*variable), "{program} reads no {variable}");
                set.insert((*variable).to_owned());
            }
        }
    }
    for ((program, known), set) in known.iter().zip(&set) {
        assert_eq!(set, known, "{program}");
    }
}

#[tokio::test]
async fn a_password_may_have_any_character_because_no_connection_string_contains_it() {
    let objects = system(json!({})).await;
    let [migrate] = of_kind(&objects, "Job")[..] else { panic!("not one Job") };
    for object in [
        find(&objects, "Deployment", "asu-operator"),
        find(&objects, "Deployment", "asu-api"),
        migrate,
    ] {
        let env = &object["spec"]["template"]["spec"]["containers"][0]["env"];
        let env = env.as_array().unwrap();
        let password = env.iter().find(|env| env["name"] == "PGPASSWORD").unwrap();
        assert!(password["valueFrom"]["secretKeyRef"].is_object());
        let urls = env.iter().filter_map(|env| env["value"].as_str());
        let urls: Vec<_> = urls.filter(|value| value.starts_with("postgres://")).collect();
        assert!(!urls.is_empty());
        for url in urls {
            let (login, _) = url.trim_start_matches("postgres://").split_once('@').unwrap();
            assert!(["asu", "asu_api"].contains(&login), "{url}");
        }
    }
}

#[tokio::test]
async fn another_connection_string_restarts_the_programs_and_migrates() {
    let of = async |url: &str| {
        let values = json!({ "database": { "bundled": false, "url": url } });
        let objects = system(values).await;
        let [migrate] = of_kind(&objects, "Job")[..] else { panic!("not one Job") };
        let template = |name| find(&objects, "Deployment", name)["spec"]["template"].clone();
        (template("asu-operator"), template("asu-api"), migrate["metadata"]["name"].clone())
    };
    let (before, same) = (of("postgres://a@old/asu").await, of("postgres://a@old/asu").await);
    assert_eq!(before, same);
    let after = of("postgres://a@new/asu").await;
    assert!(before.0 != after.0 && before.1 != after.1 && before.2 != after.2);
}

#[tokio::test]
async fn a_connection_string_is_in_a_secret_and_nowhere_else() {
    let url = "postgres://asu:hunter2@db.example.org:5432/asu";
    let values = json!({ "database": { "bundled": false, "url": url } });
    let objects = system(values).await;
    let leaking: Vec<_> =
        objects.iter().filter(|object| object.to_string().contains("hunter2")).collect();
    assert!(leaking.is_empty());
    let secret = find(&objects, "Secret", "asu-database");
    assert!(secret["data"]["url"].is_string());
    assert!(secret["data"]["apiUrl"].is_null(), "it falls back to url");
}
