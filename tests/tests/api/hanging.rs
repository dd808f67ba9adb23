//! Dependencies that hang: they take connections and never answer. What can be answered without them
//! is, whatever clients do.

use std::time::{Duration, Instant};

use asu_core::request_hash::request_hash;
use asu_store::model::Ending;
use asu_tests::{given, postgres::TestDatabase};
use futures::future::join_all;
use serde_json::json;

use crate::{
    harness::{Replica, World, request},
    relay::Relay,
    samples::{self, IMAGE, body, with},
};

/// More requests than all that may wait for anything, and less than all.
const MANY: usize = 80;
/// A finished answer takes no longer than this, on a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The last part of a connection string that names a port of this machine.
fn through(url: &str, port: u16) -> String {
    let (head, rest) = url.split_once("127.0.0.1:").unwrap();
    let tail: String = rest.chars().skip_while(char::is_ascii_digit).collect();
    format!("{head}127.0.0.1:{port}{tail}")
}

fn port_of(url: &str) -> u16 {
    let (_, rest) = url.split_once("127.0.0.1:").unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// What needs nothing but memory is answered at once.
async fn serves_from_memory(api: &Replica, stored: &str) {
    let begun = Instant::now();
    assert_eq!(api.state(stored).await.status, 200);
    assert_eq!(api.post(&body()).await.status, 200);
    assert_eq!(api.get("/json/v1/overview.json").await.status, 200);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_api_server_does_not_block_requests_that_do_not_need_it() {
    let world = World::on(given::own_plane().await, TestDatabase::new().await.unwrap()).await;
    let api = world.ready_replica(&["--max-requests=64"]).await;
    let stored = world.stored(samples::success()).await;
    assert_eq!(api.post(&body()).await.status, 200);
    world.plane.freeze().unwrap();
    let asking = join_all((0..MANY).map(|n| {
        let api = &api;
        async move { api.post(&with("packages", json!([format!("package-{n}")]))).await }
    }));
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..3 {
            serves_from_memory(&api, &stored).await;
        }
        let image = api.get(&format!("/store/{}/{IMAGE}", samples::key())).await;
        assert_eq!(image.status, 200, "the database tells where a file is");
    };
    let (answers, ()) = tokio::join!(asking, others);
    for answer in &answers {
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    }
    world.plane.thaw().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_database_does_not_block_requests_that_do_not_need_it() {
    let mut database = TestDatabase::new().await.unwrap();
    let relay = Relay::to(port_of(&database.api_url)).await;
    database.api_url = through(&database.api_url, relay.port);
    let world = World::on(given::plane().await, database).await;
    let api = world.ready_replica(&["--max-requests=64"]).await;
    let alive = api.post(&with("packages", json!(["nano"]))).await.hash();
    let stored = world.stored(samples::success()).await;
    assert_eq!(api.post(&body()).await.status, 200);
    relay.hang(true);
    let document = "/json/v1/releases/24.10.7/targets/ath79/generic/dev_a.json";
    let asking = join_all((0..MANY).map(|n| {
        let api = &api;
        async move {
            match n % 2 {
                0 => api.state(&format!("{n:064}")).await,
                _ => api.get(document).await,
            }
        }
    }));
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..3 {
            serves_from_memory(&api, &stored).await;
            assert_eq!(api.state(&alive).await.status, 202);
        }
    };
    let (answers, ()) = tokio::join!(asking, others);
    assert!(answers.iter().all(|answer| answer.status == 503), "never a wrong 404");
    relay.hang(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_cannot_use_all_downloads_and_finished_answers_do_not_wait() {
    const BIG: u64 = 48 << 20;
    let world = World::new().await;
    let options = ["--downloads-per-client=2"];
    let api = world.ready_replica(&options).await;
    let stored = request_hash(&request()).to_string();
    let archive = world.archive_with("uid-1", &stored, samples::success(), |archive| {
        if let Ending::Succeeded(built) = &mut archive.facts.ending {
            built.files[0].size = BIG;
        }
    });
    archive.await;
    let bytes = vec![0; usize::try_from(BIG).unwrap()];
    world.put(&format!("artifacts/{}/{IMAGE}", samples::key()), &bytes);
    let download = |from: &'static str| {
        let path = format!("/store/{}/{IMAGE}", samples::key());
        api.http.get(api.url(&path)).header("x-forwarded-for", format!("6.6.6.6, {from}"))
    };
    // Begun, and then not read.
    let held =
        [download("192.0.2.1").send().await.unwrap(), download("192.0.2.1").send().await.unwrap()];
    assert!(held.iter().all(|response| response.status() == 200));
    let third = api.send(download("192.0.2.1")).await;
    assert_eq!((third.status, third.header("retry-after")), (503, "5"));
    let detail = third.json["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("2 files are being sent to this address"), "{detail}");
    assert_eq!(download("192.0.2.2").send().await.unwrap().status(), 200);
    serves_from_memory(&api, &stored).await;
    drop(held);
    crate::harness::until("a place for the client", async || {
        (download("192.0.2.1").send().await.ok()?.status() == 200).then_some(())
    })
    .await;
}
