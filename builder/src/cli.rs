//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// The program inside build pods.
///
/// Reads a plan, and leaves its result as a termination message (populate), in the work folder
/// (build), or in the artifact store (publish).
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download, verify, unpack and warm up an ImageBuilder.
    ///
    /// Exit codes: 0 the tree is ready, 1 it is not; the termination message says why.
    Populate(Places),
    /// Build one image in the work folder.
    ///
    /// Exit codes: 0 an outcome of success was left, 42 the request is at fault, 1 the
    /// infrastructure is.
    Build(Places),
    /// Wait for the build and commit what it left to the store.
    ///
    /// Exit codes: 0 a success was committed, 42 a failure of the request, 3 a failure of the
    /// infrastructure, 1 nothing was committed.
    Publish(Places),
    /// Set umask, limits and CPUs, and turn into a command.
    #[command(hide = true)]
    Confine(Confine),
}

/// Where everything lies.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Plan file.
    #[arg(long, value_name = "FILE", default_value = "/asu/plan/plan.json")]
    plan: Option<PathBuf>,
    /// Folder that stands for `/`, for tests.
    #[arg(long, value_name = "FOLDER", hide = true)]
    root: Option<PathBuf>,
}

impl Places {
    /// The places. A root moves the plan's own place, not one that was given.
    pub(crate) fn paths(self) -> asu_builder::paths::Paths {
        let default = asu_core::plan::paths::PLAN;
        let plan = self.plan.filter(|plan| plan.as_os_str() != default);
        asu_builder::paths::Paths::new(self.root.unwrap_or_else(|| "/".into()), plan)
    }
}

/// Arguments of `confine`.
#[derive(Debug, Args)]
pub(crate) struct Confine {
    /// CPUs to run on.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cpus: Vec<usize>,
    /// Refuse every socket but local ones.
    #[arg(long)]
    pub(crate) no_network: bool,
    /// The command.
    #[arg(last = true, required = true)]
    pub(crate) argv: Vec<OsString>,
}
