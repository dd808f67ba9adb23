//! The files that are made from the charts or for them.

use asu_core::{
    feeds::keys,
    plan::{Feed, PackageManager},
};
use asu_tests::root;
use serde_json::{Value, json};

use crate::render::{documents, kind, name, of_kind, system};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[tokio::test]
async fn the_manifests_are_the_chart() {
    for variant in ["install", "ha"] {
        let values: Value =
            serde_yaml::from_str(&read(&format!("manifests/{variant}.values.yaml"))).unwrap();
        let rendered: Vec<_> = system(values)
            .await
            .into_iter()
            .filter(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_null())
            .collect();
        let committed = documents(&read(&format!("manifests/{variant}.yaml")));
        let (namespace, committed) = committed.split_first().unwrap();
        assert_eq!(kind(namespace), "Namespace");
        assert_eq!(committed.len(), rendered.len(), "{variant}");
        for (committed, rendered) in committed.iter().zip(&rendered) {
            let what = format!("{} {}", kind(rendered), name(rendered));
            assert!(committed == rendered, "{variant}: {what}: run `cargo xtask manifests`");
        }
    }
}

#[tokio::test]
async fn the_manifest_of_distributions_is_the_other_chart() {
    let rendered = crate::render::text("asu-distributions", &json!({})).await.unwrap();
    let content = |text: &str| -> Vec<_> {
        let objects = documents(text).into_iter();
        objects.map(|object| (name(&object).to_owned(), object["spec"].clone())).collect()
    };
    let committed = content(&read("manifests/distributions.yaml"));
    assert!(!committed.is_empty());
    assert!(committed == content(&rendered), "run `cargo xtask manifests`");
}

#[test]
fn no_manifest_holds_a_secret() {
    for variant in ["install", "ha"] {
        let objects = documents(&read(&format!("manifests/{variant}.yaml")));
        assert!(of_kind(&objects, "Secret").is_empty(), "{variant}");
        // A connection string has no password.
        for object in &objects {
            for part in object.to_string().split("postgres://").skip(1) {
                let (login, _) = part.split_once('@').unwrap();
                assert!(!login.contains(':'), "{variant}: {login}");
            }
        }
    }
}

#[tokio::test]
async fn the_chart_contains_the_generated_definitions_and_keeps_them() {
    let objects = system(json!({})).await;
    let brought = of_kind(&objects, "CustomResourceDefinition");
    let generated = asu_crds::yaml_files().unwrap();
    assert_eq!(brought.len(), generated.len());
    for (file, yaml) in generated {
        let mut wanted: Value = serde_yaml::from_str(&yaml).unwrap();
        wanted["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        let found = brought.iter().find(|crd| name(crd) == name(&wanted)).unwrap();
        assert!(**found == wanted, "{file} in the chart is out of date: run `cargo xtask crdgen`");
    }
    let without = system(json!({ "crds": { "enabled": false } })).await;
    assert!(of_kind(&without, "CustomResourceDefinition").is_empty());
}

#[tokio::test]
async fn volumes_and_passwords_are_kept_on_uninstall() {
    let objects = system(json!({})).await;
    let kept: Vec<_> = objects
        .iter()
        .filter(|object| object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep")
        .filter(|object| kind(object) != "CustomResourceDefinition")
        .map(|object| format!("{} {}", kind(object), name(object)))
        .collect();
    assert_eq!(kept, ["Secret asu-postgres", "PersistentVolumeClaim asu-store"]);
}

#[tokio::test]
async fn the_distribution_of_the_chart_is_valid() {
    let text = crate::render::text("asu-distributions", &json!({})).await.unwrap();
    let objects = documents(&text);
    let [openwrt] = objects.as_slice() else { panic!("{text}") };
    let openwrt: asu_crds::Distribution = serde_json::from_value(openwrt.clone()).unwrap();
    assert!(openwrt.validate_cel().is_ok());
    assert_eq!(openwrt.metadata.name.as_deref(), Some("openwrt"));
}

#[tokio::test]
async fn libremesh_is_valid_when_it_is_switched_on_and_its_keys_fit_both_package_managers() {
    let values = json!({ "distributions": { "libremesh": { "enabled": true } } });
    let objects = documents(&crate::render::text("asu-distributions", &values).await.unwrap());
    let libremesh = objects.iter().find(|object| name(object) == "libremesh").unwrap();
    let libremesh: asu_crds::Distribution = serde_json::from_value(libremesh.clone()).unwrap();
    assert!(libremesh.validate_cel().is_ok());
    let parent = libremesh.spec.parent.as_ref().unwrap();
    assert!(objects.iter().any(|object| name(object) == parent.distribution));
    for (branch, manager) in [("24.10", PackageManager::Opkg), ("25.12", PackageManager::Apk)] {
        let feeds: Vec<_> = libremesh
            .spec
            .feeds
            .iter()
            .filter(|feed| feed.branches == [branch])
            .map(|feed| Feed {
                name: feed.name.clone(),
                url: feed.url.clone(),
                keys: feed.keys.clone(),
            })
            .collect();
        assert_eq!(keys(&feeds, manager).count(), feeds.len(), "{branch}");
        assert!(!feeds.is_empty(), "{branch} has no feed");
    }
}
