//! One leader at a time.

use asu_operator::run::RunError;
use asu_store::schema::SCHEMA_VERSION;
use asu_tests::given::World;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

async fn holder(world: &World) -> Option<String> {
    let lease = world.api::<Lease>().get_opt("asu-operator").await.ok()??;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_leader_hands_over_and_its_epoch_is_refused() {
    let world = World::new().await;
    let first = world.operator("first", &[]).await;
    world.until("the first leads", async || (holder(&world).await? == "first").then_some(())).await;
    let epoch = world
        .until("its epoch", async || {
            world.pg_store().current_epoch().await.ok().filter(|epoch| *epoch > 0)
        })
        .await;
    let _second = world.operator("second", &[]).await;
    first.terminate().await.unwrap();
    world
        .until("the second leads", async || (holder(&world).await? == "second").then_some(()))
        .await;
    world
        .until("a higher epoch", async || {
            world.pg_store().current_epoch().await.ok().filter(|now| *now > epoch)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_lease_is_taken_ends_with_an_error() {
    let world = World::new().await;
    let mut operator = world.operator("first", &[]).await;
    world.until("it leads", async || (holder(&world).await? == "first").then_some(())).await;
    let taken = Patch::Merge(serde_json::json!({"spec": {"holderIdentity": "other"}}));
    let api = world.api::<Lease>();
    api.patch("asu-operator", &PatchParams::default(), &taken).await.unwrap();
    assert!(matches!(operator.ended().await, Err(RunError::Leader(_))));
}

/// Longer than anything here is waited for.
const LONG_LEASE: [&str; 3] =
    ["--lease-duration=100s", "--lease-renew-deadline=90s", "--lease-retry=500ms"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_leader_releases_its_lease() {
    let world = World::new().await;
    let first = world.operator("first", &LONG_LEASE).await;
    world.until("the first leads", async || (holder(&world).await? == "first").then_some(())).await;
    let _second = world.operator("second", &LONG_LEASE).await;
    first.terminate().await.unwrap();
    world
        .until("the second leads", async || (holder(&world).await? == "second").then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_fenced_by_a_newer_epoch_ends_with_an_error() {
    let world = World::new().await;
    let mut operator = world.operator("first", &["--retention-interval=300ms"]).await;
    world
        .until("its epoch", async || {
            world.pg_store().current_epoch().await.ok().filter(|epoch| *epoch > 0)
        })
        .await;
    world.pg_store().raise_epoch().await.unwrap();
    assert!(matches!(operator.ended().await, Err(RunError::Fenced)));
}

/// Status line of `/readyz`.
async fn readyz(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.lines().next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_leads_or_is_ready_while_the_schema_is_too_new() {
    let world = World::new().await;
    let mut database = PgConnection::connect(&world.database.url).await.unwrap();
    database.execute("update schema_info set version = 99, min_reader = 99").await.unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let _operator = world.operator("a", &[&format!("--listen=127.0.0.1:{port}")]).await;
    world
        .until("it says that it is not ready", async || {
            readyz(port).await.filter(|line| line.contains("503"))
        })
        .await;
    assert_eq!(world.pg_store().current_epoch().await.unwrap(), 0);
    let mended = jiff::Timestamp::now();
    let fits = format!("update schema_info set version = {SCHEMA_VERSION}, min_reader = 1");
    database.execute(sqlx::AssertSqlSafe(fits)).await.unwrap();
    world.until("it leads", async || (holder(&world).await? == "a").then_some(())).await;
    let lease = world.api::<Lease>().get("asu-operator").await.unwrap().spec.unwrap();
    assert!(lease.acquire_time.unwrap().0 >= mended, "it led before");
    world
        .until("it is ready", async || readyz(port).await.filter(|line| line.contains("200")))
        .await;
}
