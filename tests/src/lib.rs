//! Harness for a real control plane and a real cluster, fixtures and scenario suites.

pub mod cluster;
pub mod exec;
pub mod fixtures;
pub mod progress;
pub mod toolchain;
