//! One leader at a time.

use asu_operator::run::RunError;
use asu_store::EpochRepository;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};

use super::world::World;

async fn holder(world: &World) -> Option<String> {
    let lease = world.api::<Lease>().get_opt("asu-operator").await.ok()??;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_ends_hands_over_and_its_epoch_is_over() {
    let world = World::new().await;
    let first = world.operator("first", &[]).await;
    world
        .until("the first leads", || async { (holder(&world).await? == "first").then_some(()) })
        .await;
    let epoch = world
        .until("its epoch", || async {
            world.repositories().current().await.ok().filter(|epoch| *epoch > 0)
        })
        .await;
    let _second = world.operator("second", &[]).await;
    first.terminate().await.unwrap();
    world
        .until("the second leads", || async { (holder(&world).await? == "second").then_some(()) })
        .await;
    world
        .until("a higher epoch", || async {
            world.repositories().current().await.ok().filter(|now| *now > epoch)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_lease_is_taken_ends_with_an_error() {
    let world = World::new().await;
    let mut operator = world.operator("first", &[]).await;
    world.until("it leads", || async { (holder(&world).await? == "first").then_some(()) }).await;
    let taken = Patch::Merge(serde_json::json!({"spec": {"holderIdentity": "other"}}));
    let api = world.api::<Lease>();
    api.patch("asu-operator", &PatchParams::default(), &taken).await.unwrap();
    assert!(matches!(operator.ended().await, Err(RunError::Leader(_))));
}
