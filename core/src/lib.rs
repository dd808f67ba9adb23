//! The rules of an Attended Sysupgrade Server as pure functions over plain values.
//!
//! Called by the API (validation, look-up table), the operator (decisions), and the builder (package
//! list, classification, build key). Nothing here reads a clock, uses random numbers, or does I/O:
//! callers pass the present time and act on the returned values.

pub mod acceptance;
pub mod answer;
pub mod board_rename;
pub mod build_key;
pub mod build_log;
pub mod cache;
pub mod catalog;
pub mod catalog_documents;
pub mod classify;
pub mod client;
pub mod digest;
pub mod discovery;
pub mod failure;
pub mod feed_revision;
pub mod feeds;
pub mod image_kind;
pub mod image_size;
pub mod legacy;
pub mod lifetime;
pub mod make_info;
pub mod names;
pub mod offered;
pub mod package_changes;
pub mod package_edits;
pub mod package_index;
pub mod package_version;
pub mod packages;
pub mod pattern;
pub mod plan;
pub mod populate_progress;
pub mod profile;
pub mod profile_pool;
pub mod quantity;
pub mod queue;
pub mod queue_order;
pub mod ranked;
pub mod repositories;
pub mod repositories_file;
pub mod repository_keys;
pub mod request;
pub mod request_hash;
pub mod result;
pub mod retention;
pub mod stage;
mod text;
pub mod usign;
pub mod version;
