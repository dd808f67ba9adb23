//! The last reported fill level of the artifact store, shared by the sweeps of one leadership.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use asu_core::retention::Holdings;

/// The last reported state of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reported {
    #[default]
    Nothing,
    Room,
    TooFull,
    Unknown,
}

/// The state that the measurements of one leadership share.
#[derive(Debug, Default)]
pub struct AdmissionPause {
    said: Mutex<Reported>,
    recorded: AtomicU64,
}

impl AdmissionPause {
    /// Records how many bytes of files the database knows. It is the fill level of a volume that
    /// cannot be measured.
    pub fn record(&self, holdings: &Holdings) {
        let bytes = holdings.sets.iter().map(|set| set.bytes).fold(0, u64::saturating_add);
        self.recorded.store(bytes, Ordering::Relaxed);
    }

    /// Whether the last measurement found the store too full.
    pub fn is_paused(&self) -> bool {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) == Reported::TooFull
    }

    /// Bytes of all files that the database knows, as last recorded.
    pub(super) fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Records the current state, and returns the previous one.
    pub(super) fn note(&self, now: Reported) -> Reported {
        std::mem::replace(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}
