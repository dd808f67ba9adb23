//! Tests of the client and the catalog with a server that sends incomplete or wrong responses.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bad_input;
mod catalog;
mod client;
mod feeds;
mod feeds_signed;
mod packages;
mod resuming;
mod server;
