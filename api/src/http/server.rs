//! Serves a router over HTTP/1.1 without TLS: limits connections in number and time, and stops in order.
//! Called by `run.rs`.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    clients::Peer,
    idle::{MinimumRate, WriteIdle},
};

/// Maximum time for the headers of a request. It includes idle time, because an ingress keeps
/// connections open.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// Maximum time to wait for running requests when the process stops. A pod has 30 s to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);
/// Length of the measurement of a client's download rate.
const PACE_WINDOW: Duration = Duration::from_mins(1);
/// Size of a connection's read buffer, and about that of its write buffer. hyper's default is 400 KiB
/// each.
const BUFFER: usize = 64 * 1024;
/// Pause when no socket is available.
const NO_SOCKET: Duration = Duration::from_millis(100);

/// The minimum pace of clients: `rate` bytes per second.
fn pace(rate: u64) -> MinimumRate {
    MinimumRate { window: PACE_WINDOW, bytes: rate.saturating_mul(PACE_WINDOW.as_secs()).max(1) }
}

/// A router with the limits of its connections.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Answers requests.
    pub router: Router,
    /// Maximum number of connections.
    pub connections: usize,
    /// Minimum download rate of clients in bytes per second.
    pub min_rate: u64,
}

/// Serves until `stop` is cancelled. Then it accepts no more connections and waits for running requests.
pub async fn serve(listener: TcpListener, serving: Serving, stop: CancellationToken) {
    let limit = Arc::new(Semaphore::new(serving.connections));
    let slowest = pace(serving.min_rate);
    let running = TaskTracker::new();
    loop {
        let next = async {
            let place = limit.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((socket, peer)) => {
                let router = serving.router.clone();
                let connection = connection((socket, Peer(peer)), router, stop.clone(), slowest);
                running.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(NO_SOCKET).await;
            }
        }
    }
    running.close();
    if tokio::time::timeout(DRAIN_WITHIN, running.wait()).await.is_err() {
        tracing::warn!(connections = running.len(), "closing connections that did not end in time");
    }
}

async fn connection(
    (socket, peer): (TcpStream, Peer),
    router: Router,
    stop: CancellationToken,
    pace: MinimumRate,
) {
    // Answers are written at once, so Nagle's algorithm would only delay them.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    // Without `pipeline_flush`, with which hyper reads a whole file into memory for a slow reader.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(WriteIdle::new(socket, pace)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
