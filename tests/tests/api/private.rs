//! First-boot scripts: their text goes into their Secret and nowhere else.

use asu_crds::BuildCondition;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use crate::{
    harness::{World, wait},
    samples::{self, body, with},
};

const SCRIPT: &str = "uci set wireless.key=hunter2-hunter2";

fn secrets(world: &World) -> Api<Secret> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_in_the_secret_alone_and_the_secret_goes_with_its_build() {
    let world = World::new().await;
    let api = world.replica().await;
    let answer = api.post(&with("defaults", json!(SCRIPT))).await;
    assert_eq!(answer.status, 202);
    let object = world.object(&answer.hash()).await;
    let defaults = object.spec.request.defaults.clone().unwrap();
    assert_eq!(defaults.length as usize, SCRIPT.len());
    let secret = secrets(&world).get(&defaults.secret_name).await.unwrap();
    assert_eq!(secret.data.unwrap()["defaults"].0, SCRIPT.as_bytes());
    let owner = &secret.metadata.owner_references.unwrap()[0];
    assert_eq!(Some(&owner.uid), object.metadata.uid.as_ref());
    assert_eq!(
        (owner.kind.as_str(), &owner.name),
        ("FirmwareBuild", object.metadata.name.as_ref().unwrap())
    );
    for text in [
        serde_json::to_string(&object).unwrap(),
        answer.json.to_string(),
        api.state(&answer.hash()).await.json.to_string(),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_ne!(answer.hash(), api.post(&body()).await.hash());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_never_written_is_written_by_the_next_equal_request() {
    let world = World::new().await;
    let api = world.replica().await;
    let request = with("defaults", json!(SCRIPT));
    let hash = api.post(&request).await.hash();
    let name = world.object(&hash).await.spec.request.defaults.unwrap().secret_name;
    // As if the process had died between the two writes.
    secrets(&world).delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(api.post(&request).await.status, 202);
    assert!(secrets(&world).get_opt(&name).await.unwrap().is_some());
    // An admitted build has read it, or failed: nothing is written any more.
    world.set_status(&hash, &[BuildCondition::Admitted], None).await;
    wait("the admission to be seen", async || {
        (api.state(&hash).await.json["detail"] == "started").then_some(())
    })
    .await;
    secrets(&world).delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(api.post(&request).await.status, 202);
    assert!(secrets(&world).get_opt(&name).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_or_overlong_script_creates_nothing_and_is_not_repeated() {
    let world = World::new().await;
    let mut offer = samples::offer();
    offer.allow_defaults = false;
    asu_store::CatalogRepository::put_distribution(
        &world.owner,
        "openwrt",
        &offer,
        &samples::versions(),
        world.epoch,
    )
    .await
    .unwrap();
    let api = world.replica().await;
    let refused = api.post(&with("defaults", json!(SCRIPT))).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json["detail"], "Handling `defaults` not enabled on server");
    let long = api.post(&with("defaults", json!(SCRIPT.repeat(100)))).await;
    assert_eq!(long.status, 422);
    assert_eq!(long.json["detail"], "defaults: at most 1000 bytes are allowed");
    let mut wrong = with("defaults", json!([SCRIPT]));
    wrong["packages"] = json!(SCRIPT);
    let wrong = api.post(&wrong).await;
    assert_eq!(wrong.status, 422);
    for answer in [refused, long, wrong] {
        assert!(!answer.json.to_string().contains("hunter2"));
    }
    assert!(world.objects().await.is_empty());
    assert!(secrets(&world).list(&ListParams::default()).await.unwrap().items.is_empty());
    assert_eq!(api.post(&with("defaults", json!(""))).await.status, 202);
}
