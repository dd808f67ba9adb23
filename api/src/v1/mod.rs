//! `/api/v1`: build requests, their state, their logs.

pub mod build_get;
pub mod build_post;
pub mod fields;
pub mod latest_get;
pub mod log_get;
pub mod parse;
pub mod revision_get;
