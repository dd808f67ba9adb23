//! `/api/v1`: build requests, states and logs of builds. It parses requests for
//! [`crate::image_request`] and [`crate::lookup`], and renders their results.

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
