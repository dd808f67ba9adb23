//! Project commands: demo, test, cluster, generated files, benchmarks.

mod bench;
mod cluster;
mod conformance;
mod crdgen;
mod demo;
mod generated;
mod ib_conformance;
mod images;
mod manifests;
mod proof;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands of this project. Exit code 3 means that this machine lacks a requirement; the message
/// lists it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the system on a Kubernetes cluster and build a firmware image with it.
    Demo(demo::DemoArgs),
    /// Build the system's images and push them to a registry.
    Images(images::ImagesArgs),
    /// Run all tests.
    Test(test::TestArgs),
    /// Run a benchmark on the local cluster or on a control plane.
    Bench(bench::BenchArgs),
    /// Run a long proof that is not part of the tests.
    Proof(proof::ProofArgs),
    // The help texts are at the arguments.
    Conformance(conformance::ConformanceArgs),
    IbConformance(ib_conformance::IbConformanceArgs),
    /// Manage the local cluster.
    Cluster(cluster::ClusterArgs),
    /// Write the CustomResourceDefinitions to crds/generated/ and to the chart.
    Crdgen(Check),
    /// Render the charts to manifests/.
    Manifests(Check),
    /// Write the descriptions of all SQL queries to store/.sqlx/, so that queries are checked at
    /// compile time without a database. While a changed query has no description, `cargo xtask` does
    /// not compile: run the existing target/debug/xtask instead.
    Sqlx(Check),
}

/// Arguments of commands that write generated files.
#[derive(Debug, clap::Args)]
struct Check {
    /// Write nothing, and fail when a file is out of date.
    #[arg(long)]
    check: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args).await.map_err(|e| (e.exit_code(), e.to_string())),
        Command::Images(args) => {
            images::run(args).await.map_err(|e| (e.exit_code(), e.to_string()))
        }
        Command::Test(args) => test::run(args).await.map_err(|e| (e.exit_code(), e.to_string())),
        Command::Bench(args) => bench::run(args).await.map_err(|e| (e.exit_code(), e.to_string())),
        Command::Proof(args) => proof::run(args).await.map_err(|e| (e.exit_code(), e.to_string())),
        Command::Conformance(args) => conformance::run(args).await.map_err(|e| (1, e.to_string())),
        Command::IbConformance(args) => {
            ib_conformance::run(args).await.map_err(|e| (1, e.to_string()))
        }
        Command::Cluster(args) => {
            cluster::run(args).await.map_err(|e| (e.exit_code(), e.to_string()))
        }
        Command::Crdgen(args) => crdgen::run(args.check).map_err(|e| (1, e.to_string())),
        Command::Manifests(args) => {
            let progress = asu_tests::progress::Progress::new();
            manifests::run(args.check, &progress).await.map_err(|e| (1, e.to_string()))
        }
        Command::Sqlx(args) => sqlx(args.check).await.map_err(|message| (1, message)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("error: {message}");
            ExitCode::from(code)
        }
    }
}

async fn sqlx(check: bool) -> Result<(), String> {
    use asu_tests::postgres::offline;
    if !check {
        let count = offline::write().await.map_err(|error| error.to_string())?;
        println!("{count} queries described in store/.sqlx");
        return Ok(());
    }
    let outdated = offline::outdated().await.map_err(|error| error.to_string())?;
    if outdated.is_empty() {
        return Ok(());
    }
    Err(format!("run `cargo xtask sqlx`; out of date: {}", outdated.join(", ")))
}
