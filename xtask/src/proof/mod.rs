//! `cargo xtask proof`: long proofs with programs of other projects, which are not part of the tests.

mod flux;
mod git_server;
mod gitops;

use asu_tests::{cluster, deploy, exec, router, toolchain};

/// Arguments of `cargo xtask proof`.
#[derive(Debug, clap::Args)]
pub struct ProofArgs {
    #[command(subcommand)]
    proof: Proof,
}

#[derive(Debug, clap::Subcommand)]
enum Proof {
    // The help text is at the arguments.
    Gitops(gitops::Args),
}

/// Why a proof failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not be installed.
    #[error(transparent)]
    Deploy(#[from] deploy::Error),
    /// The cluster cannot be used.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A program could not be built.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// A request to the API failed.
    #[error(transparent)]
    Router(#[from] router::Error),
    /// Something did not happen within the time limit.
    #[error("after {limit} s this is missing: {what}; last seen: {seen}")]
    Missing {
        /// What was expected.
        what: String,
        /// What was seen instead.
        seen: String,
        /// The time limit, in seconds.
        limit: u64,
    },
}

impl Error {
    /// The exit code: 3 if the machine lacks a requirement, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Deploy(error) => error.exit_code(),
            Self::Cluster(error) => error.exit_code(),
            Self::Toolchain(toolchain::Error::Missing(_)) => 3,
            _ => 1,
        }
    }
}

/// Runs a proof.
///
/// # Errors
/// Why it failed.
pub async fn run(args: ProofArgs) -> Result<(), Error> {
    match args.proof {
        Proof::Gitops(args) => gitops::run(args).await,
    }
}
