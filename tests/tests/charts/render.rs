//! Renders the charts with Helm.

use asu_tests::{
    exec,
    progress::Progress,
    root,
    toolchain::{Family, Toolchain},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// A rendered object.
pub type Object = Value;

/// Runs helm; the text of the error is what it printed.
pub async fn helm(arguments: &[&str]) -> Result<String, String> {
    let toolchain = Toolchain::ensure(&[Family::Helm], &Progress::new()).await.unwrap();
    let program = toolchain.program("helm").unwrap();
    exec::output(program, arguments).await.map_err(|error| error.output())
}

/// Renders a chart with values over its defaults, as text.
pub async fn text(chart: &str, values: &Value) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let values = file.path().to_str().unwrap();
    let chart = root().join("charts").join(chart);
    helm(&["template", "asu", chart.to_str().unwrap(), "--namespace", "asu", "--values", values])
        .await
}

/// Renders the chart of the system.
pub async fn system(values: Value) -> Vec<Object> {
    documents(&text("asu", &values).await.unwrap())
}

/// The objects of a file of YAML documents.
pub fn documents(text: &str) -> Vec<Object> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| !document.is_null())
        .collect()
}

/// Settings under which each part of the chart that can be left out is there, as far as that goes
/// in one release.
pub fn everything() -> Value {
    json!({
        "postgres": { "existingSecret": "passwords" },
        "httpRoute": { "enabled": true, "parentRefs": [{ "name": "gateway" }] },
        "metrics": { "serviceMonitor": { "enabled": true } },
        "ingress": { "errorPages": "traefik" },
        "chef": { "enabled": true, "image": "registry.example.org/chef:1", "claim": "chef" },
    })
}

/// The same without the bundled database, and with a store for many nodes.
pub fn external() -> Value {
    json!({
        "database": { "bundled": false, "existingSecret": "external" },
        "store": { "accessMode": "ReadWriteMany" },
    })
}

/// The kind of an object.
pub fn kind(object: &Object) -> &str {
    object["kind"].as_str().unwrap()
}

/// The name of an object.
pub fn name(object: &Object) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// Objects of a kind.
pub fn of_kind<'a>(objects: &'a [Object], wanted: &str) -> Vec<&'a Object> {
    objects.iter().filter(|object| kind(object) == wanted).collect()
}

/// The object of a kind and name.
pub fn find<'a>(objects: &'a [Object], wanted: &str, named: &str) -> &'a Object {
    of_kind(objects, wanted)
        .into_iter()
        .find(|object| name(object) == named)
        .unwrap_or_else(|| panic!("there is no {wanted} {named}"))
}

/// Metadata and spec of each pod that the objects lead to, by the name of what leads to it.
pub fn pods(objects: &[Object]) -> Vec<(String, &Value)> {
    objects
        .iter()
        .filter_map(|object| {
            let pod = if kind(object) == "Pod" { object } else { &object["spec"]["template"] };
            pod["spec"]["containers"].is_array().then(|| (name(object).to_owned(), pod))
        })
        .collect()
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}
