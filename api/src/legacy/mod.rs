//! The API of `asu` 0.2.0 (2018 and 2019), for devices and pages of that time: auc, LuCI and Chef. It
//! parses requests for [`crate::image_request`] and [`crate::lookup`], and renders their results. The rules
//! are in `asu_core::legacy`.

pub mod answers;
pub mod check;
pub mod check_get;
pub mod check_post;
pub mod distributions_get;
pub mod error;
pub mod files;
pub mod form;
pub mod image;
pub mod image_get;
pub mod indexes;
pub mod known_checks;
pub mod listing;
pub mod logs_get;
pub mod models;
pub mod models_get;
pub mod object;
pub mod offer;
pub mod packages_get;
pub mod paths;
pub mod request_get;
pub mod request_post;
pub mod respond;
pub mod schema;
pub mod server;
pub mod supported_get;
