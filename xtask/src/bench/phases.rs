//! Measures the phases of one build.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use asu_crds::FirmwareBuild;
use asu_tests::scenario::System;
use kube::ResourceExt as _;

use super::Error;

/// When a router saw each state, and the durations of the steps inside the pod.
#[derive(Debug)]
pub struct Phases {
    started: Instant,
    seen: Vec<(String, Duration)>,
    steps: BTreeMap<String, u64>,
}

impl Default for Phases {
    fn default() -> Self {
        Self { started: Instant::now(), seen: Vec::new(), steps: BTreeMap::new() }
    }
}

impl Phases {
    /// Records a state that was not seen before, with the present time.
    pub fn saw(&mut self, state: &str) {
        self.seen.push((state.to_owned(), self.started.elapsed()));
    }

    /// Reads the durations that the build measured itself from the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn inside(&mut self, system: &System, build: &FirmwareBuild) -> Result<(), Error> {
        let uid = build.uid().unwrap_or_default();
        let text = system.sql(&format!("select millis from builds where uid = '{uid}'")).await?;
        self.steps = serde_json::from_str(text.trim()).unwrap_or_default();
        Ok(())
    }
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (state, at) in &self.seen {
            write!(f, "{state} {:.2} s, ", at.as_secs_f64())?;
        }
        write!(f, "in the pod")?;
        for (step, millis) in &self.steps {
            write!(f, " {step} {millis}")?;
        }
        Ok(())
    }
}
