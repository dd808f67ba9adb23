//! The client and the catalog against a server that breaks its answers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod catalog;
mod client;
mod server;
