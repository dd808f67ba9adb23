//! The examples of docs/gitops.md do what the page says.

use std::process::Command;

use asu_tests::{
    gitops::{Health, health},
    root,
};
use serde_json::{Value, json};

use crate::render::{Object, documents, kind, name, system, text};

/// All objects of the page.
fn examples() -> Vec<Object> {
    let page = std::fs::read_to_string(root().join("docs/gitops.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    blocks.flat_map(|block| documents(block.split("```").next().unwrap())).collect()
}

fn example(of: &str, named: &str) -> Object {
    let found = examples().into_iter().find(|object| kind(object) == of && name(object) == named);
    found.unwrap_or_else(|| panic!("the page has no {of} {named}"))
}

#[tokio::test]
async fn the_chart_accepts_the_values_of_both_examples() {
    let release = example("HelmRelease", "asu")["spec"]["values"].clone();
    let application = example("Application", "asu-system");
    let application = application["spec"]["source"]["helm"]["valuesObject"].clone();
    assert_eq!(release, application);
    let objects = system(release.clone()).await;
    assert!(objects.iter().any(|object| kind(object) == "Deployment"));
    let rendered = text("asu", &release).await.unwrap();
    assert_eq!(rendered, text("asu", &release).await.unwrap(), "rendered again, it is the same");
}

/// JSON as an expression of Lua.
fn lua(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("[{key:?}]={}", lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(","))
        }
        Value::String(text) => format!("{text:?}"),
        Value::Null => "nil".to_owned(),
        other => other.to_string(),
    }
}

/// Health and message that the check of the page gives an object, by Argo CD's version of Lua.
fn checked(script: &str, object: &Value) -> (String, String) {
    let program = format!(
        "obj = {}\nlocal function check()\n{script}\nend\nlocal h = check()\n\
         io.write(h.status, '\\n', h.message)",
        lua(object)
    );
    let output = Command::new("lua5.1").args(["-e", &program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let (status, message) = printed.split_once('\n').unwrap();
    (status.to_owned(), message.to_owned())
}

/// An object of generation 2.
fn object(observed: i64, conditions: &[(&str, &str)]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(type_, status)| json!({"type": type_, "status": status, "message": type_}))
        .collect();
    json!({
        "metadata": {"generation": 2},
        "status": {"observedGeneration": observed, "conditions": conditions},
    })
}

#[test]
fn the_health_checks_for_argo_cd_agree_with_kstatus() {
    let config = example("ConfigMap", "argocd-cm");
    let script = |kind: &str| {
        let key = format!("resource.customizations.health.asu.dev_{kind}");
        config["data"][&key].as_str().unwrap().to_owned()
    };
    let check = script("Distribution");
    assert_eq!(
        [script("ImageBuilderCache"), script("FirmwareBuild")],
        [check.clone(), check.clone()]
    );
    let objects = [
        object(-1, &[]),
        object(1, &[("Ready", "True")]),
        object(2, &[("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False")]),
        object(2, &[("Ready", "True"), ("Reconciling", "True"), ("Stalled", "False")]),
        object(2, &[("Ready", "False"), ("Reconciling", "True"), ("Stalled", "False")]),
        object(2, &[("Ready", "False"), ("Reconciling", "False"), ("Stalled", "True")]),
        object(2, &[("Ready", "False"), ("Reconciling", "False"), ("Stalled", "False")]),
    ];
    for found in objects {
        let (status, message) = checked(&check, &found);
        let expected = match health(&found) {
            Health::Current => ("Healthy", "Ready".to_owned()),
            Health::Failed(message) => ("Degraded", message),
            // The text for an object that was not seen differs.
            Health::InProgress(said) if status == "Progressing" => {
                let seen = found["status"]["observedGeneration"] == 2;
                ("Progressing", if seen { said } else { message.clone() })
            }
            Health::InProgress(said) => ("Progressing", said),
            Health::Terminating => ("none", String::new()),
        };
        assert_eq!((status.as_str(), message), expected, "{found}");
    }
    let without = json!({"metadata": {"generation": 1}});
    assert_eq!(checked(&check, &without).0, "Progressing", "nothing has seen it");
}

#[test]
fn the_health_check_of_applications_passes_their_health_on() {
    let config = example("ConfigMap", "argocd-cm");
    let key = "resource.customizations.health.argoproj.io_Application";
    let script = config["data"][key].as_str().unwrap();
    let degraded = json!({"status": {"health": {"status": "Degraded", "message": "why"}}});
    assert_eq!(checked(script, &degraded), ("Degraded".to_owned(), "why".to_owned()));
    assert_eq!(checked(script, &json!({})).0, "Progressing");
}
