//! Locks by request hash. Only one task at a time creates the build of a hash, so that a thousand equal
//! requests cause one call of the API server.

use asu_core::request_hash::RequestHash;
use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 256;

/// A fixed number of locks. Hashes with the same first byte share a lock; they rarely wait for each
/// other.
pub(super) struct HashLocks {
    locks: Vec<Mutex<()>>,
    /// Used if no lock exists for a hash, which does not happen.
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
