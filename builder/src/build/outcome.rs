//! Makes and writes the outcome, which `build` leaves for `publish` in the work folder.

use std::{collections::BTreeMap, io, path::Path, time::Instant};

use asu_core::{
    failure::{Failure, FailureReason},
    plan::paths as names,
    result::{Outcome, RESULT_SCHEMA},
};

use crate::files::put;

/// Duration of each step, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Times(BTreeMap<String, u64>);

impl Times {
    /// Adds the time since `started` to a step.
    pub(super) fn add(&mut self, step: &str, started: Instant) {
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let sum = self.0.entry(step.to_owned()).or_default();
        *sum = sum.saturating_add(millis);
    }

    pub(super) fn millis(self) -> BTreeMap<String, u64> {
        self.0
    }
}

/// An outcome without any content.
pub(super) fn empty() -> Outcome {
    Outcome {
        schema: RESULT_SCHEMA,
        failure: None,
        workspace_copied: false,
        memory_unknown: false,
        manifest: BTreeMap::new(),
        indexes: BTreeMap::new(),
        repositories_file: String::new(),
        millis: BTreeMap::new(),
    }
}

/// An outcome for an internal error.
pub(super) fn internal(detail: &str) -> Outcome {
    Outcome { failure: Some(Failure::new(FailureReason::Internal, detail)), ..empty() }
}

/// Writes the outcome to the work folder.
pub(super) fn write(work: &Path, outcome: &Outcome) -> io::Result<()> {
    let bytes = serde_json::to_vec(outcome).map_err(io::Error::other)?;
    put(&work.join(names::OUTCOME), &bytes)
}
