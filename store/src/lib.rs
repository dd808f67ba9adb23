//! Postgres repositories and the artifact store.
//!
//! Used by the operator and the API. They call the traits of [`repository`] with the values of
//! [`model`] and contain no SQL. [`PgStore`] implements the traits, [`artifacts::ArtifactStore`]
//! accesses the files. Callers pass the present time as an argument; only the claim on files that
//! are being archived uses the clock of the database.

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
