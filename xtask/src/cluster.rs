//! `cargo xtask cluster`: the local cluster from the command line.

use std::path::PathBuf;

use asu_tests::cluster::{Cluster, ClusterConfig, Error, Reach, forward, self_test};
use asu_tests::progress::Progress;
use clap::{Args, Subcommand};

/// Arguments of `cargo xtask cluster`.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the cluster, or its missing parts. The first start builds the programs, which takes about half an hour
    Up {
        #[command(flatten)]
        name: Name,
        /// Number of nodes
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
        nodes: u8,
        /// An outside host that pods may reach; all others are unreachable. May be given several times
        #[arg(long, value_name = "HOST:PORT[=ADDRESS:PORT]")]
        reach: Vec<Reach>,
    },
    /// Stop the cluster and remove everything that it created on this machine, except the cache of built programs
    Down {
        #[command(flatten)]
        name: Name,
        /// All clusters, including those of interrupted tests
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Print addresses, nodes and the health of all parts; exit code 1 when a part is not healthy
    Status {
        #[command(flatten)]
        name: Name,
    },
    /// Print shell commands that set KUBECONFIG, ASU_URL and PATH, for: eval "$(cargo xtask cluster env)"
    Env {
        #[command(flatten)]
        name: Name,
    },
    /// Check on a separate cluster that everything the tests rely on works and is removed afterwards; takes about 5 minutes
    SelfTest,
    /// Forward connections from this machine's loopback interface to a network namespace; used by `up`
    #[command(hide = true)]
    Forward {
        /// The network namespace
        #[arg(long)]
        netns: PathBuf,
        /// Port to forward, the same on both sides; may be given several times
        #[arg(long = "port")]
        ports: Vec<u16>,
    },
    /// Forward connections from a network namespace to given outside hosts; used by `up`
    #[command(hide = true)]
    Relay {
        /// The network namespace
        #[arg(long)]
        netns: PathBuf,
        /// Address and port inside, and host and port outside; may be given several times
        #[arg(long = "route", value_name = "ADDRESS:PORT=HOST:PORT")]
        routes: Vec<forward::Route>,
    },
}

#[derive(Debug, Args)]
struct Name {
    /// Name of the cluster; several clusters can run at the same time
    #[arg(long, default_value = "local")]
    name: String,
}

/// Runs a subcommand.
pub(crate) async fn run(args: ClusterArgs) -> Result<(), Error> {
    let progress = Progress::new();
    match args.command {
        Command::Up { name, nodes, reach } => {
            let config = ClusterConfig { nodes, reach, ..ClusterConfig::new(name.name) };
            Cluster::up(&config, &progress).await.map(drop)
        }
        Command::Down { name, all } => {
            let names = if all { Cluster::names() } else { vec![name.name] };
            for name in names {
                if !Cluster::down(&name, &progress).await? {
                    progress.say(&format!("the cluster {name} does not exist"));
                }
            }
            Ok(())
        }
        Command::Status { name } => {
            let status = Cluster::status(&name.name).await?;
            println!("{status}");
            if status.is_healthy() { Ok(()) } else { Err(Error::Unhealthy(status.name)) }
        }
        Command::Env { name } => {
            for (variable, value) in Cluster::env(&name.name).await? {
                println!("export {variable}='{}'", value.replace('\'', r"'\''"));
            }
            Ok(())
        }
        Command::SelfTest => {
            let shown = self_test::run(&ClusterConfig::new("self-test"), &progress).await?;
            for what in shown {
                println!("ok: {what}");
            }
            Ok(())
        }
        // The relays move their thread to another network namespace, so it must not be a thread of a runtime
        // with other tasks.
        Command::Forward { netns, ports } => {
            let server = tokio::task::spawn_blocking(move || forward::inwards(&netns, &ports));
            server.await.unwrap_or(Ok(()))
        }
        Command::Relay { netns, routes } => {
            let server = tokio::task::spawn_blocking(move || forward::outwards(&netns, routes));
            server.await.unwrap_or(Ok(()))
        }
    }
}
