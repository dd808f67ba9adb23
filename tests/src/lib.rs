//! Test harness: a local Kubernetes cluster or control plane, a Postgres, fixtures, what tests begin with
//! ([`given`]), and helpers for scenarios. Used by the tests in `tests/tests/` and by `cargo xtask`; no part of the product.

pub mod api_conformance;
pub mod browser;
pub mod chef;
pub mod cluster;
pub mod deploy;
pub mod exec;
pub mod fixtures;
pub mod gitops;
pub mod given;
pub mod image;
pub mod imagebuilder_conformance;
pub mod ports;
pub mod postgres;
pub mod progress;
pub mod router;
pub mod scenario;
pub mod toolchain;
pub mod verdict;
mod wait;

/// Root folder of the checkout.
pub fn root() -> std::path::PathBuf {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// cargo's target folder of the checkout.
pub fn target_dir() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}
