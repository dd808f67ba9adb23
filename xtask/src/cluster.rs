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
    /// Bring the cluster up, or what is missing of it; builds what was never built, which takes about half an hour
    Up {
        #[command(flatten)]
        name: Name,
        /// Number of nodes
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
        nodes: u8,
        /// A host outside that its pods may reach; nothing else gets out. May be given more than once
        #[arg(long, value_name = "HOST:PORT[=ADDRESS:PORT]")]
        reach: Vec<Reach>,
    },
    /// Take the cluster down, with everything it made on this machine but the cache of built programs
    Down {
        #[command(flatten)]
        name: Name,
        /// All clusters, those of interrupted tests as well
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Print addresses, nodes and the health of all parts; exit code 1 when something is wrong
    Status {
        #[command(flatten)]
        name: Name,
    },
    /// Print shell commands that set KUBECONFIG, ASU_URL and PATH, for: eval "$(cargo xtask cluster env)"
    Env {
        #[command(flatten)]
        name: Name,
    },
    /// Show on a cluster of its own that everything the tests rely on works, and that nothing of it stays; about 5 min
    SelfTest,
    /// Lead connections from this machine's loopback into a network namespace; used by `up`
    #[command(hide = true)]
    Forward {
        /// The network namespace
        #[arg(long)]
        netns: PathBuf,
        /// Ports, the same on both sides
        #[arg(long = "port")]
        ports: Vec<u16>,
    },
    /// Lead connections out of a network namespace to certain hosts; used by `up`
    #[command(hide = true)]
    Relay {
        /// The network namespace
        #[arg(long)]
        netns: PathBuf,
        /// Address and port inside, and host and port outside
        #[arg(long = "route", value_name = "ADDRESS:PORT=HOST:PORT")]
        routes: Vec<forward::Route>,
    },
}

#[derive(Debug, Args)]
struct Name {
    /// Name of the cluster; several can run beside each other
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
                    progress.say(&format!("there is no cluster {name}"));
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
