//! The database: history of builds, catalog, counters.
//!
//! Callers see the methods of [`PgStore`] and the values of [`model`], never SQL. Nothing here reads a
//! clock: times come in as arguments.

pub mod error;
pub mod listen;
pub mod migrate;
pub mod model;
mod pg;
pub mod schema;
pub mod settings;

pub use error::StoreError;
pub use pg::{PgStore, PoolSettings};
