//! The HTTP API: build requests, stored images, catalog.
//!
//! It validates requests against the catalog, looks up builds that answer them, and creates
//! FirmwareBuilds. It never waits for the end of a build. It writes only FirmwareBuilds, Secrets of
//! first-boot scripts, and request counters.

pub mod admin;
pub mod answers;
pub mod budgets;
pub mod catalog;
pub mod catalog_news;
pub mod cluster;
pub mod config;
pub mod counters;
pub mod error;
pub mod followers;
pub mod held;
pub mod http;
pub mod image_request;
mod iso;
pub mod known;
pub mod legacy;
pub mod log_answer;
pub mod log_text;
pub mod lookup;
pub mod metrics;
pub mod openapi;
pub mod openapi_headers;
pub mod root;
pub mod run;
pub mod state;
pub mod statistics;
pub mod store;
pub mod unavailable;
pub mod unknown;
pub mod v1;
