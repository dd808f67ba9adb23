//! Single flight: concurrent equal look-ups share one query, so that a thousand clients with the same
//! request cause one query.
//!
//! It is not a cache: a result is valid only for callers that joined while the look-up ran. Other modules
//! decide how long a result is kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use asu_core::{answer::Intent, request_hash::RequestHash};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use super::Found;
use crate::error::ApiError;

type Outcome = Result<Found, ApiError>;
type Flight = BoxFuture<'static, Outcome>;
type Key = (RequestHash, Intent);
type Running = HashMap<Key, WeakShared<Flight>>;

/// The running look-ups. Clones share them.
#[derive(Clone, Default)]
pub struct SingleFlight(Arc<Mutex<Running>>);

impl SingleFlight {
    /// Joins the running look-up of the same key, or starts `look`. The look-up runs as long as a caller
    /// waits for it.
    pub async fn join(
        &self,
        hash: &RequestHash,
        intent: Intent,
        look: impl FnOnce() -> Flight,
    ) -> Result<Found, ApiError> {
        let key = (*hash, intent);
        let shared = {
            let mut running = self.lock();
            // The result of a completed look-up may be outdated for this caller.
            let joined = running.get(&key).and_then(WeakShared::upgrade);
            joined.filter(|flight| flight.peek().is_none()).unwrap_or_else(|| {
                let begun = look().shared();
                if let Some(weak) = begun.downgrade() {
                    running.insert(key, weak);
                }
                begun
            })
        };
        let mut member = Member { single_flight: self, key, shared: Some(shared) };
        match &mut member.shared {
            Some(shared) => shared.await,
            None => Err(ApiError::Internal),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that waits for a look-up. When the last one is dropped, the look-up ends.
struct Member<'a> {
    single_flight: &'a SingleFlight,
    key: Key,
    shared: Option<Shared<Flight>>,
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let mut running = self.single_flight.lock();
        drop(self.shared.take());
        if running.get(&self.key).is_some_and(|flight| flight.upgrade().is_none()) {
            running.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn hash() -> RequestHash {
        RequestHash::of(b"a")
    }

    #[tokio::test]
    async fn concurrent_callers_share_a_look_up_and_later_callers_start_another() {
        let (flights, looks, go) =
            (SingleFlight::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let intent = || {
            let (looks, go) = (looks.clone(), go.clone());
            let look = move || {
                looks.fetch_add(1, Ordering::Relaxed);
                async move {
                    go.notified().await;
                    Ok(Found::Nothing(None))
                }
                .boxed()
            };
            let flights = flights.clone();
            Box::pin(async move { flights.join(&hash(), Intent::Poll, look).await })
        };
        let mut first = intent();
        let mut second = intent();
        assert!(
            futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending()
        );
        // The caller that started it may be dropped.
        drop(first);
        go.notify_one();
        assert!(second.await.is_ok());
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        assert!(flights.lock().is_empty());
        go.notify_one();
        assert!(intent().await.is_ok());
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_look_up_without_callers_is_removed() {
        let (flights, hash) = (SingleFlight::default(), hash());
        let mut only =
            Box::pin(flights.join(&hash, Intent::Poll, || futures::future::pending().boxed()));
        assert!(futures::poll!(&mut only).is_pending());
        assert_eq!(flights.lock().len(), 1);
        drop(only);
        assert!(flights.lock().is_empty());
    }
}
