//! Postgres repositories and the artifact store.
//!
//! Callers see the traits of [`repository`] and the values of [`model`], never SQL. [`PgStore`]
//! implements them; [`artifacts::ArtifactStore`] holds the files. Nothing here reads a clock: times
//! come in as arguments.

pub mod artifacts;
pub mod error;
pub mod listen;
pub mod migrate;
pub mod model;
mod pg;
pub mod repository;
pub mod schema;
pub mod settings;
mod time;
mod unfinished;

pub use error::StoreError;
pub use pg::{PgStore, PoolSettings};
pub use repository::{
    ArchiveRepository, BuildRepository, CatalogRepository, CounterRepository, EpochRepository,
    RetentionRepository,
};
