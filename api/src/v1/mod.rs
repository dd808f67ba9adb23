//! `/api/v1`: build requests, their state, their logs. It translates between bytes and what
//! [`crate::image_request`] and [`crate::lookup`] take and give.

pub mod answers;
pub mod build_get;
pub mod build_post;
pub mod fields;
pub mod latest_get;
pub mod log_get;
pub mod parse;
pub mod refusal;
mod respond;
pub mod revision_get;
pub mod schema;
