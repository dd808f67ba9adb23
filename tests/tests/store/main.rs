//! The repositories on a real Postgres.

mod api_role;
mod archive;
mod catalog;
mod epoch;
mod faults;
mod offline;
mod retention;
mod samples;
mod schema;
