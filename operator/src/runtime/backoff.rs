//! Pauses after failed reconciliations, counted for each object. Called by `reconcile.rs`.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Maximum pause after an error.
const LONGEST: Duration = Duration::from_mins(5);

/// Number of consecutive errors of each object, by uid. The error policy of kube does not pass a
/// count.
#[derive(Debug, Default)]
pub struct Backoffs(Mutex<HashMap<String, u32>>);

impl Backoffs {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an error, and returns the pause after it: 1 s, doubled for each further error, at
    /// most 5 min.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut counts = self.lock();
        let count = counts.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        pause(*count)
    }

    /// Resets the count after a success, or when the object is deleted.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

fn pause(count: u32) -> Duration {
    let doublings = count.saturating_sub(1).min(16);
    Duration::from_secs(1).saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_start_over_after_a_success() {
        let backoffs = Backoffs::default();
        let seconds: Vec<u64> = (0..11).map(|_| backoffs.failed("u").as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoffs.forget("u");
        assert_eq!(backoffs.failed("u").as_secs(), 1);
    }
}
