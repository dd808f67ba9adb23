//! The API on a real Postgres and a real API server.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod bounds;
mod builds;
mod catalog;
mod documents;
mod faults;
mod hanging;
mod harness;
mod legacy_catalog;
mod legacy_check;
mod legacy_files;
mod legacy_recorded;
mod legacy_requests;
mod orders;
mod private;
mod protocol;
mod publisher;

mod recorded;
mod relay;
mod revisions;
mod samples;
mod statistics;
mod stored;
