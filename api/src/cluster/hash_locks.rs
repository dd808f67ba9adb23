//! Locks by request hash: one task at a time creates the build of a hash, so that a thousand equal
//! requests cost the API server one call.

use asu_core::request_hash::RequestHash;
use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 256;

/// A bounded number of locks. Hashes share them by their first byte, and hardly ever wait for each other.
pub(super) struct HashLocks {
    locks: Vec<Mutex<()>>,
    /// For a hash without a lock among them, which does not happen.
    other: Mutex<()>,
}

impl Default for HashLocks {
    fn default() -> Self {
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        Self { locks, other: Mutex::new(()) }
    }
}

impl HashLocks {
    /// Waits for the lock of a hash.
    pub(super) async fn lock(&self, hash: &RequestHash) -> MutexGuard<'_, ()> {
        let [byte, ..] = *hash.digest().bytes();
        self.locks.get(usize::from(byte)).unwrap_or(&self.other).lock().await
    }
}
