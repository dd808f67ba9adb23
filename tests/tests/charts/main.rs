//! The charts: what they render, what they refuse, and what a real API server makes of them.

mod manifests;
mod network;
mod pods;
mod render;
mod rights;
mod schema;
mod server;
mod settings;
mod values;
