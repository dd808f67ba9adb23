//! Clients of 2018 and 2019 on the deployed system, through the ingress: the conformance suite, and Chef in a
//! real browser.

use std::{collections::BTreeMap, time::Duration};

use asu_crds::Distribution;
use asu_tests::{
    api_conformance::{self, Choice, Options},
    browser::{self, Scenario},
    deploy::{NAMESPACE, child, wait_for_distribution},
    fixtures::{self, World},
    scenario::System,
    toolchain::cache_dir,
    verdict::Verdict,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

/// A cache may have to be filled first, on a machine that does other things.
const WITHIN: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_of_the_older_api_holds_through_the_ingress() {
    let system = System::attach().await.unwrap();
    let model = Some("Router A".to_owned());
    let options = Options {
        url: system.site.url().await.unwrap(),
        choice: Choice { distro: Some("openwrt".to_owned()), version: None, model },
        builds_within: Some(WITHIN),
    };
    let lines = api_conformance::run(&options, |line| println!("{line}")).await.unwrap();
    let not_ok = lines.iter().filter(|line| line.verdict != Verdict::Ok);
    let not_ok: Vec<String> = not_ok.map(ToString::to_string).collect();
    let failed = not_ok.iter().filter(|line| line.starts_with("FAIL")).count();
    assert_eq!(failed, 0, "{}", not_ok.join("\n"));
    // Only what the fixture does not offer is not checked: a snapshot, network profiles.
    assert!(not_ok.len() <= 3, "{}", not_ok.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn chef_builds_an_image_of_a_child_distribution_in_a_browser_from_another_origin() {
    let system = System::attach().await.unwrap();
    let world = World::ensure_all(&cache_dir()).unwrap();
    let distributions: Api<Distribution> = Api::namespaced(system.client.clone(), NAMESPACE);
    let parent = distributions.get("openwrt").await.unwrap().spec;
    let own = json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": child::NAME},
        "spec": child::spec(&world, parent).unwrap(),
    });
    let apply = PatchParams::apply("test").force();
    distributions.patch(child::NAME, &apply, &Patch::Apply(own)).await.unwrap();
    wait_for_distribution(&system.site, child::NAME).await.unwrap();
    let parameters = BTreeMap::from([
        ("server", system.site.url().await.unwrap()),
        ("distro", child::NAME.to_owned()),
        ("model", "Acme Router A".to_owned()),
        ("own", fixtures::child::PACKAGE.to_owned()),
        ("script", format!("# a browser {}\n", std::process::id())),
    ]);
    let result = browser::play(Scenario::Chef, &parameters, WITHIN).await.unwrap();
    assert!(result.get("bytes").and_then(serde_json::Value::as_u64) > Some(1000), "{result}");
    distributions.delete(child::NAME, &DeleteParams::default()).await.unwrap();
}
