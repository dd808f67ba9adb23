//! An operator that stops in the middle of a pass: its client sends a number of writes, and the next one
//! waits for ever, as do all later ones. Ending it then is a SIGKILL at exactly this point.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{Method, Request};
use kube::{Client, Config, client::ClientBuilder};
use tower::Service;

/// Kinds whose writes count, as they are in paths. Leases and events do not.
const COUNTED: [&str; 3] = ["/imagebuildercaches", "/jobs", "/persistentvolumeclaims"];

/// The point at which an operator stops.
#[derive(Clone, Debug)]
pub struct StopPoint {
    left: Arc<AtomicUsize>,
    reached: Arc<AtomicBool>,
}

impl StopPoint {
    /// After this number of writes.
    pub fn after(writes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(writes)), reached: Arc::default() }
    }

    /// Whether the operator has stopped.
    pub fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    fn stops(&self, method: &Method, path: &str) -> bool {
        let is_write = *method != Method::GET && COUNTED.iter().any(|kind| path.contains(kind));
        let one_less = |left: usize| left.checked_sub(1);
        let counted = || self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        let stops = is_write && counted().is_err();
        if stops {
            self.reached.store(true, Ordering::SeqCst);
        }
        stops
    }

    /// A client that stops at this point.
    pub(super) fn client(&self, config: Config) -> Client {
        let builder = ClientBuilder::try_from(config).expect("a client");
        let point = self.clone();
        let layer = tower::layer::layer_fn(move |inner| Stopping { inner, point: point.clone() });
        builder.with_layer(&layer).build()
    }
}

struct Stopping<S> {
    inner: S,
    point: StopPoint,
}

impl<S, B> Service<Request<B>> for Stopping<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.point.stops(request.method(), request.uri().path()) {
            return Box::pin(std::future::pending());
        }
        Box::pin(self.inner.call(request))
    }
}
