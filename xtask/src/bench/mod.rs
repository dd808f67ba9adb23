//! `cargo xtask bench`: measurements on the local cluster or control plane, as ratios within one run. Absolute times
//! depend on the machine and on what else it does.

mod api;
mod bare_job;
mod catalog;
mod first_image;
mod legacy;
mod load;
mod memory;
mod objects;
mod phases;
mod process;
mod queue;
mod world;
mod writes;
mod wrk;

use asu_tests::{cluster, deploy, exec, router, scenario};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, clap::Subcommand)]
enum Bench {
    /// Measure the time from the POST to the image compared with a plain Job that runs `make image`,
    /// the number of writes to the API server, and the requests per second for a finished build.
    FirstImage(first_image::Args),
    /// Measure a queue of thousands of builds on a control plane: how fast they are created, admitted
    /// and cancelled, and how much memory and CPU time the operator's leader uses.
    Queue(queue::Args),
    /// Measure the API's CPU time for a poll of a waiting build compared with a finished build, and
    /// its memory after many connections.
    Api(api::Args),
    /// Measure upgrade checks and searches for models, which clients of asu 0.2.0 send, compared with
    /// polls of a finished build.
    Legacy(legacy::Args),
    /// Measure the update of a catalog of real size from a generated download server, and the API that
    /// serves it.
    Catalog(catalog::Args),
}

/// Why a benchmark failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The installation failed.
    #[error(transparent)]
    Deploy(#[from] deploy::Error),
    /// The cluster cannot be used.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// A scenario's helper failed.
    #[error(transparent)]
    Scenario(#[from] scenario::Error),
    /// A request to the API failed.
    #[error(transparent)]
    Router(#[from] router::Error),
    /// A request to the API server failed.
    #[error("Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// Something that the benchmark needs is missing, or a budget is exceeded.
    #[error("{0}")]
    Missing(String),
}

/// Converts an error to [`Error::Missing`].
fn missing(error: impl std::fmt::Display) -> Error {
    Error::Missing(error.to_string())
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl Error {
    /// The exit code: 3 if the machine lacks a requirement, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::Deploy(error) => error.exit_code(),
            _ => 1,
        }
    }
}

/// Runs a benchmark.
///
/// # Errors
/// Why a benchmark failed.
pub async fn run(args: BenchArgs) -> Result<(), Error> {
    match args.bench {
        Bench::FirstImage(args) => first_image::run(args).await,
        Bench::Queue(args) => queue::run(args).await,
        Bench::Api(args) => api::run(args).await,
        Bench::Catalog(args) => catalog::run(args).await,
        Bench::Legacy(args) => legacy::run(args).await,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
