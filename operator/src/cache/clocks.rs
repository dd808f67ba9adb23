//! State of caches that the leader keeps in memory between passes. Lost when another process leads,
//! which costs no more than an early status write.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::SignedDuration;

/// Since when the usage of each cache differs from its status. Usage is written at most once per
/// interval, to save two status writes for each build.
#[derive(Debug, Default)]
pub struct UseClock(Mutex<HashMap<String, Instant>>);

impl UseClock {
    /// Forgets a deleted cache.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// `Ok` if the usage is to be written now, else the time until then.
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

/// When this process last changed the tree that the builds of each cache use.
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

    /// Forgets a deleted cache.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}
