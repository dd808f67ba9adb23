//! The database and the artifact store.
//!
//! Callers see the methods of [`PgStore`] and the values of [`model`], never SQL.
//! [`artifacts::ArtifactStore`] holds the files. Nothing here reads a clock: times come in as arguments.

pub mod artifacts;
pub mod error;
pub mod listen;
pub mod migrate;
pub mod model;
mod pg;
pub mod schema;
pub mod settings;
mod unfinished;

pub use error::StoreError;
pub use pg::{PgStore, PoolSettings};
