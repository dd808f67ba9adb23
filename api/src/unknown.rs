//! Remembers request hashes without a known build, so that repeated polls of such a hash cause neither a
//! query nor a call of the API server.
//!
//! A wrong 404 would be final for most clients. Therefore a hash is forgotten after one second, and at
//! once when a build with it is created here, appears in the watch, or is archived.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use asu_core::request_hash::RequestHash;
use tokio::time::Instant;

/// Time for which a hash stays unknown.
const FOR: Duration = Duration::from_secs(1);
/// Maximum number of hashes. If it is reached, expired hashes are removed, or all if none is expired.
const MAX_HASHES: usize = 10_000;

/// Unknown hashes, with the start of the look-up that found nothing.
#[derive(Debug, Default)]
pub struct Unknown(Mutex<HashMap<RequestHash, Instant>>);

impl Unknown {
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestHash, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a look-up that began at `since` found nothing.
    pub fn note(&self, hash: &RequestHash, since: Instant) {
        let mut known = self.lock();
        if known.len() >= MAX_HASHES {
            known.retain(|_, since| since.elapsed() < FOR);
        }
        if known.len() >= MAX_HASHES {
            known.clear();
        }
        known.insert(*hash, since);
    }

    /// Whether a look-up within the last second found nothing.
    pub fn contains(&self, hash: &RequestHash) -> bool {
        self.lock().get(hash).is_some_and(|since| since.elapsed() < FOR)
    }

    /// Forgets a hash, because a build with it exists.
    pub fn forget(&self, hash: &RequestHash) {
        self.lock().remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> RequestHash {
        RequestHash::of(&n.to_be_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hash_is_unknown_for_a_second_or_until_a_build_of_it_is_known() {
        let unknown = Unknown::default();
        for n in 0..2 {
            unknown.note(&hash(n), Instant::now());
        }
        unknown.forget(&hash(0));
        assert!(!unknown.contains(&hash(0)) && unknown.contains(&hash(1)));
        tokio::time::advance(FOR).await;
        assert!(!unknown.contains(&hash(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_hashes_is_limited() {
        let unknown = Unknown::default();
        for n in 0..MAX_HASHES + 5 {
            unknown.note(&hash(n), Instant::now());
        }
        assert!(unknown.lock().len() <= MAX_HASHES);
        assert!(unknown.contains(&hash(MAX_HASHES + 4)));
    }
}
