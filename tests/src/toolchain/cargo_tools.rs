//! Programs that come as crates.

use std::{ffi::OsString, path::PathBuf};

use tokio::process::Command;

use super::{Error, cache_dir};
use crate::{exec, progress::Progress};

/// Version of cargo-deny: checks licences, sources and banned crates.
const CARGO_DENY: &str = "0.20.2";

fn folder() -> PathBuf {
    cache_dir().join("cargo-tools").join(format!("deny-{CARGO_DENY}"))
}

/// Makes sure of cargo-deny, in a folder of its own outside the checkout.
///
/// # Errors
/// What cargo said.
pub async fn cargo_deny(progress: &Progress) -> Result<(), Error> {
    if folder().join("bin/cargo-deny").exists() {
        return Ok(());
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["install", "--quiet", "--locked", "--version", CARGO_DENY, "cargo-deny", "--root"])
        .arg(folder())
        .env("CARGO_TARGET_DIR", folder().join("target"));
    let installed = progress.step("build cargo-deny", exec::run(command)).await;
    let removed = std::fs::remove_dir_all(folder().join("target"));
    installed.map_err(|error| Error::Failed {
        program: "cargo install cargo-deny".to_owned(),
        status: error.status(),
        output: error.output(),
    })?;
    removed.map_err(Error::io(folder()))
}

/// Environment in which `cargo deny` is found.
pub fn cargo_path() -> [(&'static str, OsString); 1] {
    let mut path = folder().join("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    [("PATH", path)]
}
