//! The set of builds whose pods' logs are followed, and of those whose log stated that the result
//! is in the store. Held in memory by the leader.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// The builds that are followed; see the module.
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

    /// Whether the log of a build's pod states that the result is in the store. Only a hint to read
    /// the store: the store is authoritative.
    pub fn is_committed(&self, uid: &str) -> bool {
        self.lock().committed.contains(uid)
    }

    /// Stops following a build and forgets it.
    pub fn stop(&self, uid: &str) {
        let mut known = self.lock();
        known.committed.remove(uid);
        if let Some(token) = known.following.remove(uid) {
            token.cancel();
        }
    }
}
