//! What every process needs whatever it does: health, metrics, events, pauses after errors, logs,
//! ownership.

pub mod backoff;
pub mod events;
pub mod health;
pub mod metrics;
pub mod owner;
pub mod patch;
pub mod reconcile;
pub mod telemetry;
