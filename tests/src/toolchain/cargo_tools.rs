//! Installs subcommands of cargo that the checks use.

use std::{ffi::OsString, path::PathBuf};

use tokio::process::Command;

use super::{Error, cache_dir};
use crate::{exec, progress::Progress};

/// A subcommand of cargo with a pinned version.
struct Tool {
    /// Name of the crate and of its program.
    name: &'static str,
    version: &'static str,
}

const TOOLS: [Tool; 2] = [
    // Checks licences, sources and banned crates.
    Tool { name: "cargo-deny", version: "0.20.2" },
    // Finds unused dependencies.
    Tool { name: "cargo-machete", version: "0.9.2" },
];

impl Tool {
    /// Folder of this version, outside the checkout.
    fn folder(&self) -> PathBuf {
        let name = self.name.trim_start_matches("cargo-");
        cache_dir().join("cargo-tools").join(format!("{name}-{}", self.version))
    }

    async fn ensure(&self, progress: &Progress) -> Result<(), Error> {
        let folder = self.folder();
        if folder.join("bin").join(self.name).exists() {
            return Ok(());
        }
        let target = folder.join("target");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "install",
                "--quiet",
                "--locked",
                "--version",
                self.version,
                self.name,
                "--root",
            ])
            .arg(&folder)
            .env("CARGO_TARGET_DIR", &target);
        let installed = progress.step(&format!("build {}", self.name), exec::run(command)).await;
        let removed = std::fs::remove_dir_all(target);
        installed.map_err(|error| Error::Failed {
            program: format!("cargo install {}", self.name),
            status: error.status(),
            output: error.output(),
        })?;
        removed.map_err(Error::io(folder))
    }
}

/// Installs missing subcommands.
///
/// # Errors
/// cargo's error.
pub async fn cargo_tools(progress: &Progress) -> Result<(), Error> {
    for tool in &TOOLS {
        tool.ensure(progress).await?;
    }
    Ok(())
}

/// Environment variable PATH with their folders.
pub fn cargo_path() -> [(&'static str, OsString); 1] {
    let mut path = OsString::new();
    for tool in &TOOLS {
        path.push(tool.folder().join("bin"));
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    [("PATH", path)]
}
