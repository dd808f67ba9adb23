//! What the operator tells about itself on its port.

use asu_core::failure::FailureReason;
use asu_tests::{
    given::{PATIENCE, World, build},
    ports,
};

async fn text(port: u16, path: &str) -> Option<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_each_success_and_failure_once() {
    let world = World::new().await;
    let [port] = ports::free().unwrap();
    let listen = format!("--listen=127.0.0.1:{port}");
    let _operator = world.operator("a", &[&listen]).await;
    world.ready_cache().await;
    let good = world.create(&build("one")).await;
    world.succeed(&good).await;
    world.archived(&good).await;
    let (bad, job) = world.admitted("two").await;
    world.commit_failure(&bad, FailureReason::PackageSelection);
    world.pod(&job, "publish", 42, None).await;
    world.fail(&job).await;
    world.archived(&bad).await;
    let wanted = [
        "asu_operator_leader 1",
        "asu_operator_builds_admitted_total 2",
        "asu_operator_builds_archived_total 2",
        "asu_operator_builds_finished_total{outcome=\"Succeeded\"} 1",
        "asu_operator_builds_finished_total{outcome=\"PackageSelection\"} 1",
        "asu_operator_build_seconds_count 2",
        "asu_operator_queue_running 0",
        "asu_operator_store_capacity_bytes 100",
    ];
    world
        .until(&format!("{wanted:#?}"), async || {
            let (_, metrics) = text(port, "/metrics").await?;
            let holds = |line: &&str| metrics.lines().any(|metric| metric == *line);
            wanted.iter().all(holds).then_some(())
        })
        .await;
    assert_eq!(text(port, "/livez").await.unwrap().0, 200);
    assert_eq!(text(port, "/readyz").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_the_operator_is_alive_and_not_ready() {
    let mut world = World::new().await;
    world.database.stop().unwrap();
    let [port] = ports::free().unwrap();
    let _operator = world.operator("a", &[&format!("--listen=127.0.0.1:{port}")]).await;
    world
        .until("it lives", async || {
            let (status, _) = text(port, "/livez").await?;
            (status == 200).then_some(())
        })
        .await;
    assert_eq!(text(port, "/readyz").await.unwrap().0, 503);
    world.database.resume().await.unwrap();
    world
        .until("it is ready", async || {
            let (status, _) = text(port, "/readyz").await?;
            (status == 200).then_some(())
        })
        .await;
}
