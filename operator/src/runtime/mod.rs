//! Infrastructure that all controllers share: health, metrics, events, pauses after errors, logs, status
//! writes, ownership. It contains no rules of the domain.

pub mod backoff;
pub mod events;
pub mod health;
pub mod log_lines;
pub mod metrics;
pub mod owner;
pub mod patch;
pub mod reconcile;
pub mod refresh;
pub mod telemetry;
