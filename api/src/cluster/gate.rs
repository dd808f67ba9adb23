//! Lets one task at a time create the build of a hash, so that a thousand equal requests cost the
//! API server one call.

use asu_core::digest::Sha256Hex;
use tokio::sync::{Mutex, MutexGuard};

const LANES: usize = 256;

/// Hashes share lanes by their first byte: bounded, and hardly ever in each other's way.
pub(super) struct Gate(Vec<Mutex<()>>);

impl Default for Gate {
    fn default() -> Self {
        Self((0..LANES).map(|_| Mutex::new(())).collect())
    }
}

impl Gate {
    /// Waits for the lane of a hash.
    pub(super) async fn enter(&self, hash: &Sha256Hex) -> Option<MutexGuard<'_, ()>> {
        let lane = usize::from(hash.to_bytes().first().copied().unwrap_or(0));
        Some(self.0.get(lane)?.lock().await)
    }
}
