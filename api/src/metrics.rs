//! The metrics of the API, in the OpenMetrics text format. Updated by layers and handlers. No label may
//! have a value for each object or path.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Method and route of a request: a closed set, for any path and method that a client tries.
#[derive(Clone, Debug)]
pub struct RequestLabels {
    /// The method.
    pub method: Method,
    /// The matched route, if any.
    pub route: Option<MatchedPath>,
}

impl RequestLabels {
    /// The path of the route with its parameters, as in the OpenAPI document.
    pub fn route(&self) -> &str {
        self.route.as_ref().map_or("none", MatchedPath::as_str)
    }

    /// The method, if a route supports it.
    fn method(&self) -> &'static str {
        match self.method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        }
    }
}

/// Class of a status.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnRoute {
    method: &'static str,
    route: String,
}

/// The metrics of the process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    answered: Family<Answered, Counter>,
    seconds: Family<OnRoute, Histogram, fn() -> Histogram>,
    /// Number of requests in progress.
    pub in_flight: Gauge,
    /// Number of requests that were refused because too many were in progress.
    pub shed: Counter,
    /// Number of handlers that panicked.
    pub panics: Counter,
    /// Number of FirmwareBuilds that this process created.
    pub created: Counter,
    catalog_revision: Gauge,
    watch_silence: Gauge<f64, AtomicU64>,
    builds: Gauge,
    waiting: Gauge,
    answer_bytes: Gauge,
}

fn buckets() -> Histogram {
    Histogram::new([0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 15.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Creates all metrics with the value zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            answered: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            panics: Counter::default(),
            created: Counter::default(),
            catalog_revision: Gauge::default(),
            watch_silence: Gauge::default(),
            builds: Gauge::default(),
            waiting: Gauge::default(),
            answer_bytes: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("asu_api");
        metrics.register_requests(&mut registry);
        metrics.register_state(&mut registry);
        Self { registry: Arc::new(registry), ..metrics }
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register("requests", "Answered requests", self.answered.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from the headers of a request to the headers of its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register("requests_in_flight", "Requests in progress", self.in_flight.clone());
        registry.register(
            "requests_shed",
            "Requests refused because of a limit",
            self.shed.clone(),
        );
        registry.register("panics", "Handlers that panicked", self.panics.clone());
        registry.register("builds_created", "Created FirmwareBuilds", self.created.clone());
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register(
            "catalog_revision",
            "Revision of the catalog",
            self.catalog_revision.clone(),
        );
        registry.register_with_unit(
            "watch_silence",
            "Time since the last event of the watch of FirmwareBuilds; -1 before the first",
            Unit::Seconds,
            self.watch_silence.clone(),
        );
        registry.register("builds", "Known FirmwareBuilds", self.builds.clone());
        registry.register("builds_waiting", "Builds that wait in the queue", self.waiting.clone());
        registry.register_with_unit(
            "answer_cache",
            "Size of the finished answers in memory",
            Unit::Bytes,
            self.answer_bytes.clone(),
        );
    }

    /// Counts an answer.
    pub fn answered(&self, asked: &RequestLabels, status: StatusCode, took: Duration) {
        let (method, route) = (asked.method(), asked.route().to_owned());
        let timed = OnRoute { method, route: route.clone() };
        self.seconds.get_or_create(&timed).observe(took.as_secs_f64());
        self.answered.get_or_create(&Answered { method, route, class: class(status) }).inc();
    }
}

/// Values that are read when metrics are requested.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    /// Revision of the catalog; 0 before it is loaded.
    pub catalog_revision: i64,
    /// Seconds since the last event of the watch; -1 before the first.
    pub watch_silence: i64,
    /// Number of FirmwareBuilds from the watch.
    pub builds: usize,
    /// Number of waiting builds.
    pub waiting: usize,
    /// Size of the finished answers in memory, in bytes.
    pub answer_bytes: u64,
}

impl Metrics {
    /// Renders all metrics as text.
    pub fn text(&self, readings: Readings) -> String {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.catalog_revision.set(readings.catalog_revision);
        #[expect(clippy::cast_precision_loss, reason = "an f64 is exact for these seconds")]
        self.watch_silence.set(readings.watch_silence as f64);
        self.builds.set(gauge(readings.builds));
        self.waiting.set(gauge(readings.waiting));
        self.answer_bytes.set(i64::try_from(readings.answer_bytes).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
