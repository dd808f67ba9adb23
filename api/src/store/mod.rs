//! `/store`: files of finished builds. Only files with a row in the database are sent, so results and
//! logs have no URL here.

pub mod file_get;
mod range;
