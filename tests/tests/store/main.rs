//! The repositories on a real Postgres.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod api_role;
mod archive;
mod catalog;
mod catalog_reload;
mod documents;
mod epoch;
mod faults;
mod files;
mod indexes;
mod offline;
mod retention;
mod samples;
mod schema;
mod statistics;
mod usage;
