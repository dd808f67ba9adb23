//! Every value does something.

use asu_tests::root;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::render::{everything, external, text};

/// A value to change: where it is, its schema and its default.
struct Leaf {
    path: Vec<String>,
    schema: Value,
    default: Value,
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(root, root.pointer(reference.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

fn leaves(root: &Value, schema: &Value, default: &Value, path: &[String], found: &mut Vec<Leaf>) {
    let schema = resolve(root, schema);
    match schema["properties"].as_object() {
        None => found.push(Leaf {
            path: path.to_vec(),
            schema: schema.clone(),
            default: default.clone(),
        }),
        Some(properties) => {
            for (name, inner) in properties {
                let path = [path, std::slice::from_ref(name)].concat();
                leaves(root, inner, &default[name], &path, found);
            }
        }
    }
}

/// Values that are not the default, of all shapes: which one fits is the schema's to say.
fn others(leaf: &Leaf) -> Vec<Value> {
    if let Some(words) = leaf.schema["enum"].as_array() {
        return words.iter().filter(|word| **word != leaf.default).cloned().collect();
    }
    match &leaf.default {
        Value::Bool(_) => vec![json!(true), json!(false)],
        Value::Number(value) => {
            let value = value.as_i64().unwrap();
            vec![json!(value + 1), json!(value - 1), json!(1_i64 << 31)]
        }
        Value::Object(_) => {
            vec![json!({ "changed": "yes" }), json!({ "cpu": "7" }), json!({ "nodeAffinity": {} })]
        }
        Value::Array(_) => vec![
            json!(["changed"]),
            json!([{ "name": "CHANGED", "value": "yes" }]),
            json!([{ "key": "changed" }]),
            json!([{ "name": "changed" }]),
            json!([{ "secretName": "changed" }]),
            json!([77]),
            json!([{ "cidr": "192.0.2.0/24" }]),
        ],
        Value::String(_) => vec![
            json!("changed"),
            json!("/changed"),
            json!("7m"),
            json!("7Gi"),
            json!("postgres://changed"),
            json!(format!("sha256:{}", "c".repeat(64))),
        ],
        Value::Null => panic!("{:?} has no default", leaf.path),
    }
}

/// `values` with one of them changed.
fn with(values: &Value, path: &[String], change: &Value) -> Value {
    let mut all = values.clone();
    let mut place = &mut all;
    for key in path {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = change.clone();
    all
}

fn read_yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// Settings of which each makes others matter.
fn situations() -> Vec<Value> {
    let shared =
        json!({ "cache": { "claimMode": "shared" }, "postgres": { "existingSecret": "x" } });
    let inline = json!({ "database": { "bundled": false, "url": "postgres://x" } });
    vec![everything(), external(), shared, inline]
}

#[tokio::test]
async fn every_value_changes_what_is_rendered() {
    let schema = read_yaml("charts/asu/values.schema.json");
    let mut found = Vec::new();
    leaves(&schema, &schema, &read_yaml("charts/asu/values.yaml"), &[], &mut found);
    // Either way it goes with connection strings or without, and no other way.
    found.retain(|leaf| leaf.path != ["database", "bundled"]);
    assert!(found.len() > 80, "{}", found.len());
    let mut situations: Vec<_> =
        situations().into_iter().map(|values| (values, String::new())).collect();
    for (values, rendered) in &mut situations {
        *rendered = text("asu", values).await.unwrap();
    }
    let situations = &situations;
    let unused: Vec<_> = futures::stream::iter(&found)
        .map(|leaf| async move { (!matters(leaf, situations).await).then(|| leaf.path.join(".")) })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(unused.is_empty(), "nothing reads {unused:?}");
}

async fn matters(leaf: &Leaf, situations: &[(Value, String)]) -> bool {
    for (values, rendered) in situations {
        for other in others(leaf) {
            match text("asu", &with(values, &leaf.path, &other)).await {
                Ok(changed) if changed != *rendered => return true,
                // A second text that is accepted would change as little as the first.
                Ok(_) if !leaf.default.is_boolean() => break,
                _ => {}
            }
        }
    }
    false
}
