//! `/store`: files of finished builds, by the database's rows only. Results and logs have no row and
//! so no address.

pub mod file_get;
mod range;
