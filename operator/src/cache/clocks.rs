//! What a leader remembers of caches between its passes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::SignedDuration;

/// Since when the use of each cache differs from its status. Writing every begin and end of a
/// build would cost two more writes for each.
#[derive(Debug, Default)]
pub struct UseClock(Mutex<HashMap<String, Instant>>);

impl UseClock {
    /// Forgets a cache that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Whether the use is to be written now; otherwise when.
    pub(super) fn due(&self, uid: &str, differs: bool, interval: Duration) -> Result<(), Duration> {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !differs {
            clock.remove(uid);
            return Err(interval);
        }
        let since = clock.entry(uid.to_owned()).or_insert_with(Instant::now).elapsed();
        if since < interval {
            return Err(interval.saturating_sub(since));
        }
        clock.remove(uid);
        Ok(())
    }
}

/// When this process last gave the builds of each cache another tree.
#[derive(Debug, Default)]
pub struct Switches(Mutex<HashMap<String, Instant>>);

impl Switches {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, uid: &str) {
        self.lock().insert(uid.to_owned(), Instant::now());
    }

    pub(super) fn is_fresh(&self, uid: &str, span: SignedDuration) -> bool {
        let age = |at: &Instant| SignedDuration::try_from(at.elapsed());
        self.lock().get(uid).is_some_and(|at| age(at).is_ok_and(|age| age < span))
    }

    /// Forgets a cache that is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}
