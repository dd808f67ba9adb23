//! What was last said about the room in the store.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use asu_core::retention::Holdings;

/// What was last said about the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    #[default]
    Nothing,
    Room,
    TooFull,
    Unknown,
}

/// What the looks of one leadership have in common.
#[derive(Debug, Default)]
pub struct AdmissionPause {
    said: Mutex<Said>,
    recorded: AtomicU64,
}

impl AdmissionPause {
    /// Notes how many bytes of files the database knows: what a volume that does not tell holds.
    pub fn record(&self, holdings: &Holdings) {
        let bytes = holdings.sets.iter().map(|set| set.bytes).fold(0, u64::saturating_add);
        self.recorded.store(bytes, Ordering::Relaxed);
    }

    /// Whether the last look found the store too full.
    pub fn is_paused(&self) -> bool {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) == Said::TooFull
    }

    /// Bytes of files that the database knows.
    pub(super) fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Notes what is so now, and gives what was so before.
    pub(super) fn note(&self, now: Said) -> Said {
        std::mem::replace(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}
