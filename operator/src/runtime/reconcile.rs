//! Runs one controller over a shared watch cache: with bounded concurrency, with pauses after
//! errors, until its queue closes. Called by `run.rs` for each kind.

use std::{convert::Infallible, fmt::Debug, future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, channel::mpsc::UnboundedReceiver};
use kube::{
    Resource, ResourceExt,
    runtime::{
        controller::{Action, Config, Error, applier},
        reflector::{ObjectRef, Store},
    },
};

use tracing::Instrument as _;

use crate::context::Context;

/// Maximum number of concurrent reconciliations of one kind.
const CONCURRENCY: u16 = 16;

/// An error of a reconciliation.
pub trait Fault: std::error::Error + Send + 'static {
    /// Reason of a closed set, for metrics and logs.
    fn reason(&self) -> &'static str;

    /// Maximum pause after this error, if the default is too long.
    fn longest_pause(&self) -> Option<Duration> {
        None
    }

    /// Whether this process must end because a newer leader has taken over.
    fn is_fatal(&self) -> bool {
        false
    }
}

/// Reconciles the objects that `queue` names until it closes, and then finishes the running
/// reconciliations.
pub async fn run<K, F, E>(
    controller: &'static str,
    context: Arc<Context>,
    store: Store<K>,
    queue: UnboundedReceiver<ObjectRef<K>>,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F + Send + Sync + Clone + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    F: Future<Output = Result<Action, E>> + Send + 'static,
    E: Fault,
{
    let once = move |object: Arc<K>, context: Arc<Context>| {
        let reconcile = reconcile.clone();
        async move {
            let started = std::time::Instant::now();
            let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
            // Each line of the log about an object has its name and uid.
            let span = tracing::info_span!("reconcile", controller, name, uid);
            let result = reconcile(object, context.clone()).instrument(span).await;
            let outcome = result.as_ref().map_or_else(Fault::reason, |_| "ok");
            context.metrics.reconciled(controller, outcome, started.elapsed());
            if result.is_ok() {
                context.backoffs.forget(&uid);
            }
            result
        }
        .boxed()
    };
    let on_error = |object: Arc<K>, error: &E, context: Arc<Context>| {
        let uid = object.uid().unwrap_or_default();
        let pause = context.backoffs.failed(&uid);
        let pause = error.longest_pause().map_or(pause, |longest| pause.min(longest));
        let name = object.name_any();
        tracing::warn!(controller, name, uid, reason = error.reason(), %error, ?pause, "reconciliation failed, retrying");
        if error.is_fatal() {
            context.stop.cancel();
        }
        Action::requeue(pause)
    };
    let queue = queue.map(Ok::<_, Infallible>);
    // No debounce, because a client waits for every step.
    let config = Config::default().concurrency(CONCURRENCY);
    applier(once, on_error, context, store, queue, config)
        .for_each(|result| async move {
            match result {
                // The error was reported above, or the object was deleted meanwhile.
                Ok(_) | Err(Error::ReconcilerFailed(..) | Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::error!(controller, %error, "the controller's queue failed"),
            }
        })
        .await;
}

/// The requeue at the time `at`, at once if that is over.
pub fn requeue_at(at: jiff::Timestamp, now: jiff::Timestamp) -> Action {
    let wait = at.duration_since(now);
    // Times of objects are whole seconds; 50 ms more make sure that the second is over.
    let wait = Duration::try_from(wait).unwrap_or_default() + Duration::from_millis(50);
    Action::requeue(wait)
}
