//! Project commands: demo, test, cluster, generated files, benchmarks.

mod cluster;
mod demo;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands of this project. Exit code 3: the machine lacks something, which is listed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From nothing to a firmware image on a real Kubernetes.
    Demo(demo::DemoArgs),
    /// Run every test there is.
    Test(test::TestArgs),
    /// The local cluster.
    Cluster(cluster::ClusterArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(args).await.map_err(|e| (e.exit_code(), e.to_string())),
        Command::Test(args) => test::run(args).await.map_err(|e| (e.exit_code(), e.to_string())),
        Command::Cluster(args) => {
            cluster::run(args).await.map_err(|e| (e.exit_code(), e.to_string()))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("error: {message}");
            ExitCode::from(code)
        }
    }
}
