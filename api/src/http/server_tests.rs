use axum::routing::get;
use futures::stream;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::http::router::tests::{around, routes};

const LONG: Duration = Duration::from_mins(1);

/// A client's end of a connection, and the task that serves it.
#[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
async fn connect(router: Router, window: Duration) -> (TcpStream, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, peer) = listener.accept().await.unwrap();
    let stop = CancellationToken::new();
    let pace = MinimumRate { window, bytes: 1 };
    let task = tokio::spawn(connection((socket, Peer(peer)), router, stop, pace));
    (client, task)
}

async fn until(gauge: &Gauge, value: i64) {
    let reached = async {
        while gauge.get() != value {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
}

#[tokio::test]
async fn a_disconnected_client_is_not_counted_as_in_flight() {
    let (router, metrics) = around(routes(), 8, LONG);
    let working = metrics.in_flight.clone();
    let (mut client, task) = connect(router, LONG).await;
    client.write_all(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    until(&working, 1).await;
    drop(client);
    until(&working, 0).await;
    task.await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let endless = async || {
        Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0_u8; 65536])))
    };
    let (router, _) = around(Router::new().route("/", get(endless)), 8, LONG);
    let (mut client, task) = connect(router, Duration::from_millis(100)).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut begin = [0; 1000];
    client.read_exact(&mut begin).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
}
