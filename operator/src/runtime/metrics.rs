//! The metrics of the operator. Updated by the controllers and the queue. No label may have a value
//! for each object.

use std::{fmt, sync::Arc, time::Duration};

use asu_core::retention::Space;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Labels of reconciliations.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reconciled {
    controller: String,
    outcome: String,
}

/// Label of a controller.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    controller: String,
}

/// Label of an outcome: a reason of the closed set, or `Succeeded`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

/// Label of a pause: why no build starts.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Pause {
    reason: &'static str,
}

#[derive(Default)]
struct Values {
    admission_paused: Family<Pause, Gauge>,
    reconciled: Family<Reconciled, Counter>,
    leader: Gauge,
    waiting: Gauge,
    running: Gauge,
    max_pending: Gauge,
    paused: Gauge,
    admitted: Counter,
    builds: Family<Outcome, Counter>,
    files_deleted: Counter,
    bytes_deleted: Counter,
    store_used: Gauge,
    store_capacity: Gauge,
    archived: Counter,
}

/// All metrics of the process; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    values: Arc<Values>,
    durations: Family<Of, Histogram, fn() -> Histogram>,
    build_seconds: Histogram,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        // From 1 ms, a pass that reads only watch caches, to 65 s, a slow download server.
        let durations = Family::new_with_constructor(pass_histogram as fn() -> Histogram);
        // From 1 s, a small image, to about 1 h; a Distribution allows builds of at most 2 h.
        let build_seconds = Histogram::new(exponential_buckets(1.0, 2.0, 13));
        let values = Arc::new(Values::default());
        let mut registry = Registry::with_prefix("asu_operator");
        register(&mut registry, &values);
        registry.register("reconcile_seconds", "Duration of a reconciliation", durations.clone());
        registry.register("build_seconds", "Time from admission to end", build_seconds.clone());
        Self { registry: Arc::new(registry), values, durations, build_seconds }
    }
}

fn pass_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

fn register(registry: &mut Registry, values: &Values) {
    registry.register("reconciliations", "Reconciliations by outcome", values.reconciled.clone());
    registry.register("leader", "1 on the leader, 0 on standbys", values.leader.clone());
    registry.register(
        "queue_waiting",
        "Builds that can start and wait in the queue",
        values.waiting.clone(),
    );
    registry.register("queue_running", "Builds with a running Job", values.running.clone());
    registry.register(
        "queue_limit",
        "Maximum number of waiting builds",
        values.max_pending.clone(),
    );
    registry.register("queue_paused", "1 while the store is nearly full", values.paused.clone());
    registry.register(
        "admission_paused",
        "1 while no build is admitted, by reason",
        values.admission_paused.clone(),
    );
    registry.register("builds_admitted", "Admitted builds", values.admitted.clone());
    registry.register("builds_finished", "Builds that ended, by outcome", values.builds.clone());
    registry.register("builds_archived", "Records that were written", values.archived.clone());
    registry.register(
        "file_sets_deleted",
        "File sets that retention deleted",
        values.files_deleted.clone(),
    );
    registry.register(
        "bytes_deleted",
        "Bytes that retention deleted",
        values.bytes_deleted.clone(),
    );
    registry.register("store_used_bytes", "Used bytes of the store", values.store_used.clone());
    registry.register(
        "store_capacity_bytes",
        "Capacity of the store, 0 if unknown",
        values.store_capacity.clone(),
    );
}

impl Metrics {
    /// All metrics in the text format of OpenMetrics.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Counts a reconciliation that ended.
    pub fn reconciled(&self, controller: &str, outcome: &str, took: Duration) {
        let controller = controller.to_owned();
        let of = Reconciled { controller: controller.clone(), outcome: outcome.to_owned() };
        self.values.reconciled.get_or_create(&of).inc();
        self.durations.get_or_create(&Of { controller }).observe(took.as_secs_f64());
    }

    /// Sets whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.values.leader.set(i64::from(leads));
    }

    /// Sets the state of the queue.
    pub fn queue(&self, waiting: usize, running: usize, paused: bool) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.values.waiting.set(count(waiting));
        self.values.running.set(count(running));
        self.values.paused.set(i64::from(paused));
    }

    /// Counts a build that left the queue.
    pub fn admitted(&self) {
        self.values.admitted.inc();
    }

    /// Sets whether the store is too full for another build to start.
    pub fn store_full(&self, full: bool) {
        let pause = Pause { reason: "StoreFull" };
        self.values.admission_paused.get_or_create(&pause).set(i64::from(full));
    }

    /// Sets the maximum number of waiting builds, which the API enforces.
    pub fn max_pending(&self, limit: usize) {
        self.values.max_pending.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// Counts a build that ended and was archived. `seconds` is the time from admission to its end.
    pub fn finished(&self, outcome: &str, seconds: Option<f64>) {
        self.values.builds.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc();
        self.values.archived.inc();
        if let Some(seconds) = seconds {
            self.build_seconds.observe(seconds);
        }
    }

    /// Counts a file set that retention deleted.
    pub fn deleted(&self, bytes: u64) {
        self.values.files_deleted.inc();
        self.values.bytes_deleted.inc_by(bytes);
    }

    /// Sets the fill level of the store. An unknown capacity is 0.
    pub fn store(&self, space: Option<Space>) {
        let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        if let Some(space) = space {
            self.values.store_used.set(bytes(space.used));
        }
        self.values.store_capacity.set(bytes(space.map_or(0, |space| space.capacity)));
    }
}
