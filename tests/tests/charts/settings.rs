//! The chart sets what the programs read.

use std::{collections::BTreeSet, path::Path};

use asu_tests::root;
use serde_json::{Value, json};

use crate::render::{external, find, of_kind, system};

/// Names of settings in the sources of some crates.
fn read_by(crates: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for name in crates {
        collect(&root().join(name).join("src"), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for quoted in text.split('"').filter(|text| text.starts_with("ASU_")) {
                names.insert(quoted.to_owned());
            }
        }
    }
}

fn variables(spec: &Value) -> Vec<&str> {
    let env = spec["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter().map(|variable| variable["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_setting_of_the_chart_is_one_of_the_programs() {
    for values in [
        json!({ "cache": { "maxBytes": 1 } }),
        json!({ "cache": { "claimMode": "shared" } }),
        external(),
    ] {
        let objects = system(values).await;
        let [migrate] = of_kind(&objects, "Job")[..] else { panic!("not one Job") };
        for (object, crates) in [
            (find(&objects, "Deployment", "asu-operator"), ["operator", "store"]),
            (find(&objects, "Deployment", "asu-api"), ["api", "store"]),
            (migrate, ["operator", "store"]),
        ] {
            let known = read_by(&crates);
            for variable in variables(&object["spec"]) {
                // The password is for the kubelet, which puts it into the connection string.
                let ours = variable.starts_with("ASU_") && variable != "ASU_DATABASE_PASSWORD";
                assert!(!ours || known.contains(variable), "{crates:?} read no {variable}");
            }
        }
    }
}

#[tokio::test]
async fn a_variable_comes_before_those_that_name_it() {
    let objects = system(json!({})).await;
    for name in ["asu-operator", "asu-api"] {
        let names = variables(&find(&objects, "Deployment", name)["spec"]);
        let place = |wanted: &str| names.iter().position(|name| *name == wanted).unwrap();
        assert!(place("ASU_DATABASE_PASSWORD") < place("ASU_DATABASE_URL"), "{name}");
    }
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
