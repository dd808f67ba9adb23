//! The charts: what they render, what they refuse, and what a real API server makes of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, which fail by panicking"
)]

mod contradictions;
mod docs;
mod gitops;
mod manifests;
mod network;
mod package_edits;
mod pods;
mod render;
mod rights;
mod schema;
mod server;
mod settings;
mod values;
