//! Which builds are followed, and which of them said that their result is in the store.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// Which builds are followed.
#[derive(Debug, Default)]
pub struct Followers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    following: HashMap<String, CancellationToken>,
    committed: HashSet<String>,
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, uid: &str, stop: &CancellationToken) -> Option<CancellationToken> {
        let mut known = self.lock();
        if known.following.contains_key(uid) {
            return None;
        }
        let token = stop.child_token();
        known.following.insert(uid.to_owned(), token.clone());
        Some(token)
    }

    pub(super) fn end(&self, uid: &str) {
        self.lock().following.remove(uid);
    }

    pub(super) fn committed(&self, uid: &str) {
        self.lock().committed.insert(uid.to_owned());
    }

    /// Whether a build's pod said that its result is in the store. The store is what counts.
    pub fn is_committed(&self, uid: &str) -> bool {
        self.lock().committed.contains(uid)
    }

    /// Ends following a build and forgets it.
    pub fn stop(&self, uid: &str) {
        let mut known = self.lock();
        known.committed.remove(uid);
        if let Some(token) = known.following.remove(uid) {
            token.cancel();
        }
    }
}
