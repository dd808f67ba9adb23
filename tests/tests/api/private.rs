//! First-boot scripts: their text goes into their Secret and nowhere else.

use asu_crds::BuildCondition;
use asu_tests::{given, postgres::TestDatabase};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    harness::{World, until},
    samples::{body, with},
};

const SCRIPT: &str = "uci set wireless.key=hunter2-hunter2";

fn secrets(world: &World) -> Api<Secret> {
    world.api()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_only_in_the_secret_which_is_deleted_with_its_build() {
    let (world, api) = World::with_replica().await;
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
async fn a_missing_secret_is_created_by_the_next_equal_request() {
    let (world, api) = World::with_replica().await;
    let request = with("defaults", json!(SCRIPT));
    let hash = api.post(&request).await.hash();
    let name = world.object(&hash).await.spec.request.defaults.unwrap().secret_name;
    // As if the process had died between the two writes.
    secrets(&world).delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(api.post(&request).await.status, 202);
    assert!(secrets(&world).get_opt(&name).await.unwrap().is_some());
    // An admitted build has read it, or failed: nothing is written any more.
    world.set_status(&hash, &[BuildCondition::Admitted], None).await;
    until("the admission to be seen", async || {
        (api.state(&hash).await.json["detail"] == "started").then_some(())
    })
    .await;
    secrets(&world).delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(api.post(&request).await.status, 202);
    assert!(secrets(&world).get_opt(&name).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_object_and_secret_is_repaired_by_the_next_request() {
    let world = World::new().await;
    let request = with("defaults", json!(SCRIPT));
    let client = world.client_who_may("halfway", "get,list,watch,create,delete").await;
    let dying = world.replica_with(client, &[]).await;
    dying.ready().await;
    let failed = dying.post(&request).await;
    assert_eq!((failed.status, failed.header("retry-after")), (503, "5"));
    dying.running.stop().await;
    let [build] = world.objects().await.try_into().unwrap();
    let name = build.spec.request.defaults.unwrap().secret_name;
    assert!(secrets(&world).get_opt(&name).await.unwrap().is_none());
    let healthy = world.replica().await;
    assert_eq!(healthy.post(&request).await.status, 202);
    let secret = secrets(&world).get(&name).await.unwrap();
    assert_eq!(secret.metadata.owner_references.unwrap()[0].uid, build.metadata.uid.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_disconnects_between_object_and_secret_gets_both() {
    let world = World::on(given::own_plane().await, TestDatabase::new().await.unwrap()).await;
    let api = world.replica().await;
    world.plane.freeze().unwrap();
    let body = with("defaults", json!(SCRIPT)).to_string();
    let mut socket = TcpStream::connect(api.running.address).await.unwrap();
    let head = format!("POST /api/v1/build HTTP/1.1\r\nHost: x\r\nContent-Length: {}", body.len());
    socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
    until("the creation to begin", async || {
        let metrics = api.http.get(api.admin("/metrics")).send().await.ok()?.text().await.ok()?;
        metrics.contains("asu_api_builds_waiting 1\n").then_some(())
    })
    .await;
    drop(socket);
    until("the client to be gone", async || {
        let metrics = api.http.get(api.admin("/metrics")).send().await.ok()?.text().await.ok()?;
        metrics.contains("asu_api_requests_in_flight 0\n").then_some(())
    })
    .await;
    world.plane.thaw().unwrap();
    until("the Secret", async || {
        let secrets = secrets(&world).list(&ListParams::default()).await.ok()?.items;
        (secrets.len() == 1).then_some(())
    })
    .await;
    assert_eq!(world.objects().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_or_overlong_script_creates_nothing_and_is_not_repeated() {
    let mut world = World::new().await;
    world.publish(&["24.10.7"], json!({"allowDefaults": false, "maxDefaultsLength": 1000})).await;
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
