//! What all controllers share and no domain rule is part of: health, metrics, events, pauses after
//! errors, logs, status writes, ownership.

pub mod backoff;
pub mod events;
pub mod health;
pub mod metrics;
pub mod owner;
pub mod patch;
pub mod reconcile;
pub mod telemetry;
