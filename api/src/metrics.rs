//! What is measured, in the OpenMetrics text format.

use std::{sync::atomic::AtomicU64, time::Duration};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Route of a request, as metrics tell them apart: a closed set, whatever paths are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Route {
    BuildPost,
    BuildGet,
    Log,
    Store,
    Catalog,
    Other,
}

impl Route {
    fn as_str(self) -> &'static str {
        match self {
            Self::BuildPost => "build_post",
            Self::BuildGet => "build_get",
            Self::Log => "log",
            Self::Store => "store",
            Self::Catalog => "catalog",
            Self::Other => "other",
        }
    }

    /// The route of a path.
    pub fn of(path: &str, post: bool) -> Self {
        if let Some(rest) = path.strip_prefix("/api/v1/build") {
            return match rest {
                "" if post => Self::BuildPost,
                _ if rest.ends_with("/log") => Self::Log,
                _ => Self::BuildGet,
            };
        }
        if path.starts_with("/store/") {
            Self::Store
        } else if path.starts_with("/json/") || path.starts_with("/api/") || path == "/overview" {
            Self::Catalog
        } else {
            Self::Other
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
    route: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnRoute {
    route: &'static str,
}

/// See the module.
pub struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<OnRoute, Histogram, fn() -> Histogram>,
    /// Requests that are being worked on.
    pub in_flight: Gauge,
    /// Requests that were refused because too many were being worked on.
    pub shed: Counter,
    /// Handlers that panicked.
    pub panics: Counter,
    /// FirmwareBuilds that this process created.
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
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("asu_api"),
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
        metrics.register_requests();
        metrics.register_state();
        metrics
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Answered requests", self.answered.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register("requests_in_flight", "Requests being worked on", self.in_flight.clone());
        registry.register("requests_shed", "Requests refused for want of room", self.shed.clone());
        registry.register("panics", "Handlers that panicked", self.panics.clone());
        registry.register("builds_created", "FirmwareBuilds created", self.created.clone());
    }

    fn register_state(&mut self) {
        let registry = &mut self.registry;
        registry.register("catalog_revision", "Catalog in memory", self.catalog_revision.clone());
        registry.register_with_unit(
            "watch_silence",
            "Time since the last news of FirmwareBuilds; -1 before the first",
            Unit::Seconds,
            self.watch_silence.clone(),
        );
        registry.register("builds", "FirmwareBuilds known", self.builds.clone());
        registry.register(
            "builds_waiting",
            "Builds that wait for their turn",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "answer_cache",
            "Finished answers in memory",
            Unit::Bytes,
            self.answer_bytes.clone(),
        );
    }

    /// Counts an answer.
    pub fn answered(&self, route: Route, status: StatusCode, took: Duration) {
        let route = route.as_str();
        self.answered.get_or_create(&Answered { route, class: class(status) }).inc();
        self.seconds.get_or_create(&OnRoute { route }).observe(took.as_secs_f64());
    }
}

/// What is read when the metrics are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    /// Revision of the catalog; 0 before it is loaded.
    pub catalog_revision: i64,
    /// Seconds since the watch told anything; -1 before.
    pub watch_silence: i64,
    /// FirmwareBuilds that the watch shows.
    pub builds: usize,
    /// Those of them that wait.
    pub waiting: usize,
    /// Bytes of stored answers in memory.
    pub answer_bytes: usize,
}

impl Metrics {
    /// The text of all metrics.
    pub fn text(&self, readings: Readings) -> String {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.catalog_revision.set(readings.catalog_revision);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a process's life")]
        self.watch_silence.set(readings.watch_silence as f64);
        self.builds.set(gauge(readings.builds));
        self.waiting.set(gauge(readings.waiting));
        self.answer_bytes.set(gauge(readings.answer_bytes));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_one_of_a_few_routes() {
        for (path, post, route) in [
            ("/api/v1/build", true, Route::BuildPost),
            ("/api/v1/build/abc", false, Route::BuildGet),
            ("/api/v1/build/abc/log", false, Route::Log),
            ("/store/a/b", false, Route::Store),
            ("/json/v1/overview.json", false, Route::Catalog),
            ("/overview", false, Route::Catalog),
            ("/wp-login.php", false, Route::Other),
        ] {
            assert_eq!(Route::of(path, post), route, "{path}");
        }
    }
}
