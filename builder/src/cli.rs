//! Arguments and subcommands of `asu-builder`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// The program that runs in populate and build pods.
///
/// Each subcommand reads a plan. It writes its result to the termination message (populate), to the
/// work folder (build) or to the artifact store (publish).
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// The step to run.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download, verify, unpack and warm up an ImageBuilder.
    ///
    /// Exit codes: 0 the tree is ready, 1 it is not. The termination message contains the reason.
    Populate(PathArgs),
    /// Build one image in the work folder.
    ///
    /// Exit codes: 0 the build succeeded, 42 it failed because of the request, 1 it failed because
    /// of the infrastructure.
    Build(PathArgs),
    /// Wait until the build has ended, and commit its outcome to the artifact store.
    ///
    /// Exit codes: 0 a success was committed, 42 a failure because of the request was committed, 3 a
    /// failure because of the infrastructure was committed, 1 nothing was committed.
    Publish(PathArgs),
    /// Set umask, resource limits and CPU affinity, and execute a command in this process.
    #[command(hide = true)]
    Confine(Confine),
}

/// Paths of the plan and, in tests, of the root folder.
#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// File with the plan, as JSON.
    #[arg(long, value_name = "FILE", default_value = "/asu/plan/plan.json")]
    plan: Option<PathBuf>,
    /// Folder that replaces `/`, for tests.
    #[arg(long, value_name = "FOLDER", hide = true)]
    root: Option<PathBuf>,
}

impl PathArgs {
    /// Returns the paths. The root applies to the default plan file, but not to a given one.
    pub(crate) fn paths(self) -> asu_builder::paths::Paths {
        let default = asu_core::plan::paths::PLAN;
        let plan = self.plan.filter(|plan| plan.as_os_str() != default);
        asu_builder::paths::Paths::new(self.root.unwrap_or_else(|| "/".into()), plan)
    }
}

/// Arguments of `confine`.
#[derive(Debug, Args)]
pub(crate) struct Confine {
    /// Numbers of the CPUs to run on.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cpus: Vec<usize>,
    /// Refuse all sockets except local ones.
    #[arg(long)]
    pub(crate) no_network: bool,
    /// The command with its arguments.
    #[arg(last = true, required = true)]
    pub(crate) argv: Vec<OsString>,
}
