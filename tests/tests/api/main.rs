//! The API on a real Postgres and a real API server.

mod builds;
mod catalog;
mod faults;
mod harness;
mod private;
mod protocol;
mod samples;
mod stored;
