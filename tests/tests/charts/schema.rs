//! The schemas refuse what nobody reads.

use asu_tests::root;
use serde_json::{Value, json};

use crate::render::text;

fn schema(chart: &str) -> Value {
    let path = root().join("charts").join(chart).join("values.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Calls `look` with every schema that describes fields, and where it is.
fn each_object(schema: &Value, at: &str, look: &mut impl FnMut(&str, &Value)) {
    if schema["properties"].is_object() && !at.contains("/then") && !at.ends_with("/if") {
        look(at, schema);
    }
    match schema {
        Value::Object(fields) => {
            for (key, inner) in fields {
                each_object(inner, &format!("{at}/{key}"), look);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                each_object(inner, &format!("{at}/{index}"), look);
            }
        }
        _ => {}
    }
}

#[test]
fn no_object_takes_an_unknown_key() {
    for chart in ["asu", "asu-distributions"] {
        let mut seen = 0;
        each_object(&schema(chart), "", &mut |at, object| {
            // A field may be called "properties" only where it describes fields itself.
            assert_eq!(object["additionalProperties"], json!(false), "{chart}{at}");
            seen += 1;
        });
        assert!(seen > 5, "{chart}");
    }
}

#[tokio::test]
async fn helm_refuses_what_the_schema_refuses() {
    for (values, complaint) in [
        (json!({ "replicas": 2 }), "'replicas' not allowed"),
        (json!({ "operator": { "replica": 2 } }), "'replica' not allowed"),
        (json!({ "operator": { "replicas": 0 } }), "/operator/replicas"),
        (json!({ "operator": { "tolerations": [{ "keey": "a" }] } }), "'keey' not allowed"),
        (json!({ "operator": { "catalogInterval": "10 minutes" } }), "/operator/catalogInterval"),
        (json!({ "builds": { "hostUsers": "no" } }), "/builds/hostUsers"),
        (json!({ "store": { "accessMode": "RWX" } }), "/store/accessMode"),
        (json!({ "store": { "size": "big" } }), "/store/size"),
        (json!({ "images": { "api": { "digest": "abc" } } }), "/images/api/digest"),
        (json!({ "database": { "bundled": false } }), "/database/url"),
        (json!({ "database": { "url": "mysql://x" } }), "/database/url"),
        (json!({ "httpRoute": { "enabled": true } }), "/httpRoute/parentRefs"),
    ] {
        let error = text("asu", &values).await.expect_err(&values.to_string());
        assert!(error.contains(complaint), "{values}: {error}");
    }
}

#[tokio::test]
async fn a_distribution_with_an_unknown_or_malformed_field_is_refused() {
    let with = |spec: Value| json!({ "distributions": { "openwrt": { "spec": spec } } });
    for (values, complaint) in [
        (json!({ "distribution": {} }), "'distribution' not allowed"),
        (
            json!({ "distributions": { "Bad Name": { "enabled": false, "spec": null } } }),
            "Bad Name",
        ),
        (with(json!({ "titel": "x" })), "'titel' not allowed"),
        (with(json!({ "upstream": { "fetchUrls": [] } })), "'fetchUrls' not allowed"),
        (with(json!({ "branches": [] })), "/spec/branches"),
        (with(json!({ "limits": { "buildSeconds": 1 } })), "/limits/buildSeconds"),
        (with(json!({ "packageEdits": [{ "add": ["-a"] }] })), "/packageEdits/0/add/0"),
        (with(json!({ "packageEdits": [{ "when": {} }] })), "'when' not allowed"),
    ] {
        let error = text("asu-distributions", &values).await.expect_err(&values.to_string());
        assert!(error.contains(complaint), "{values}: {error}");
    }
}

/// Paths of all fields that a schema names, following references.
fn fields(root: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return fields(root, target, at, found);
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{at}.{name}");
        fields(root, inner, &path, found);
        found.push(path);
    }
}

#[test]
fn values_and_schema_name_the_same_keys() {
    let schema = schema("asu");
    let mut named = Vec::new();
    fields(&schema, &schema, "", &mut named);
    let text = std::fs::read_to_string(root().join("charts/asu/values.yaml")).unwrap();
    let values: Value = serde_yaml::from_str(&text).unwrap();
    for path in &named {
        let pointer = path.replace('.', "/");
        assert!(values.pointer(&pointer).is_some(), "{path} is not in values.yaml");
    }
}
