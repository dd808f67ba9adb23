//! Requests for a revision that the catalog does not have.

use serde_json::{Value, json};

use crate::harness::{Replica, World, until};

const SNAPSHOT: &str = "24.10-SNAPSHOT";
const OFFERED: &str = "r29197-ab4c7d6af7";
const NEWER: &str = "r29200-0123456789";

async fn world() -> (World, Replica) {
    let mut world = World::new().await;
    world.publish(&["24.10.7", SNAPSHOT], json!({})).await;
    let replica = world.replica().await;
    (world, replica)
}

fn body(version: &str, revision: &str) -> Value {
    json!({
        "version": version, "version_code": revision, "target": "ath79/generic", "profile": "dev_a",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_a_snapshot_may_have_meanwhile_waits_for_the_operator() {
    let (world, replica) = world().await;
    let answer = replica.post(&body(SNAPSHOT, NEWER)).await;
    assert_eq!(answer.status, 202, "{}", answer.json);
    let object = world.object(&answer.hash()).await;
    assert_eq!(object.spec.validated, None, "the operator validates it with what upstream has");
    assert_eq!(object.spec.request.version_code.as_deref(), Some(NEWER));
    assert_eq!(replica.state(&answer.hash()).await.status, 202);
    let offered = replica.post(&body(SNAPSHOT, OFFERED)).await;
    assert_eq!(offered.status, 202, "{}", offered.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_cannot_come_is_refused_and_both_are_named() {
    let (world, replica) = world().await;
    for (version, asked) in [("24.10.7", NEWER), ("24.10.7", "r1-a"), (SNAPSHOT, "r29196-a")] {
        let answer = replica.post(&body(version, asked)).await;
        assert_eq!(answer.status, 400, "{version} {asked}: {}", answer.json);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(OFFERED) && detail.contains(asked), "{detail}");
    }
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_upstream_lacks_is_refused_until_the_object_is_gone() {
    let (world, replica) = world().await;
    let hash = replica.post(&body(SNAPSHOT, NEWER)).await.hash();
    let object = world.object(&hash).await;
    let name = object.metadata.name.unwrap();
    let said = format!("version_code: upstream has the revision {OFFERED}, not {NEWER}");
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason, "message": said,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let conditions = [
        condition("Accepted", "False", "RevisionMismatch"),
        condition("Succeeded", "False", "RevisionMismatch"),
        condition("Archived", "True", "NothingToRecord"),
    ];
    let status = json!({"status": {"conditions": conditions}});
    world.patch_status::<asu_crds::FirmwareBuild>(&name, &status).await;
    let refused = until("the poll is refused", async || {
        let answer = replica.state(&hash).await;
        (answer.status == 400).then_some(answer)
    })
    .await;
    assert_eq!(refused.json["detail"], said);
    let again = replica.post(&body(SNAPSHOT, NEWER)).await;
    assert_eq!(again.status, 400, "{}", again.json);
    let detail = again.json["detail"].as_str().unwrap();
    assert!(detail.contains(OFFERED) && detail.contains(NEWER), "{detail}");
    // The operator deletes the object: then upstream is asked again.
    world.release(&hash).await;
    world.builds().delete(&name, &kube::api::DeleteParams::default()).await.unwrap();
    until("a new build", async || {
        (replica.post(&body(SNAPSHOT, NEWER)).await.status == 202).then_some(())
    })
    .await;
}
