//! The operator's command line: parses arguments, sets up logging and signals, and calls the
//! library.

use std::{io::Read, path::PathBuf, process::ExitCode, time::Duration};

use asu_operator::{
    import, render,
    run::{Backends, run},
    runtime::telemetry,
    settings::Settings,
};
use asu_store::migrate::MigrateOptions;
use clap::{Args, Parser, Subcommand};
use tikv_jemallocator::Jemalloc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns freed memory to the system within seconds, unlike the default allocator.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Kubernetes controllers that build firmware images from FirmwareBuild objects.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Log filter, for example `info,asu_operator=debug`.
    #[arg(long, env = "ASU_LOG", default_value = "info", global = true)]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controllers.
    Run(Box<Settings>),
    /// Wait for the database, migrate its schema, and exit.
    Migrate(Migrate),
    /// Print the FirmwareBuild for a request, with its hash and name, for `kubectl create -f -`.
    RenderBuild {
        /// File with the fields of spec.request as YAML or JSON, or `-` for standard input.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
    },
    /// Print Distributions as YAML for the configuration folder of asu 0.2.0 (2019), for
    /// `kubectl apply -f -`. What has no place in a Distribution is reported on standard error.
    ImportDistributions {
        /// Folder that has one folder for each distribution, with distro_config.yml and version files.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

#[derive(Args)]
struct Migrate {
    /// URL of the database. It must not point to a transaction pooler.
    #[arg(long, env = "ASU_DATABASE_DIRECT_URL", hide_env_values = true)]
    database_direct_url: String,
    /// Password to set for the database role asu_api. Without this setting, the role is not changed.
    #[arg(long, env = "ASU_API_DATABASE_PASSWORD", hide_env_values = true)]
    api_database_password: Option<String>,
    /// Maximum time to wait for the database.
    #[arg(long, env = "ASU_MIGRATE_PATIENCE", default_value = "5m",
          value_parser = humantime::parse_duration)]
    patience: Duration,
}

impl std::fmt::Debug for Migrate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL and the password are secret.
        f.debug_struct("Migrate").field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // Without arguments, the container runs the command `run`.
    let given: Vec<_> = std::env::args_os().collect();
    let bare = given.len() <= 1;
    let arguments = given.into_iter().chain(bare.then(|| "run".into()));
    let cli = Cli::parse_from(arguments);
    match perform(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "asu-operator ends with an error");
            eprintln!("asu-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(settings) => {
            telemetry::start(&cli.log)?;
            let stop = CancellationToken::new();
            let cancel = stop.clone();
            let mut terminate = signal(SignalKind::terminate())?;
            #[expect(clippy::disallowed_methods, reason = "it waits for the signal to end")]
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
                tracing::info!("received a signal to end");
                cancel.cancel();
            });
            let backends = Backends::open(&settings).await?;
            Ok(run(*settings, backends, stop).await?)
        }
        Command::Migrate(migrate) => {
            telemetry::start(&cli.log)?;
            let options = MigrateOptions {
                api_role_password: migrate.api_database_password,
                wait: migrate.patience,
            };
            Ok(asu_store::migrate::migrate(&migrate.database_direct_url, &options).await?)
        }
        Command::RenderBuild { request } => {
            print!("{}", render::build(&read(&request)?)?);
            Ok(())
        }
        Command::ImportDistributions { dir } => {
            let imported = import::import(&dir)?;
            for warning in &imported.warnings {
                eprintln!("warning: {warning}");
            }
            print!("{}", imported.yaml);
            Ok(())
        }
    }
}

fn read(file: &std::path::Path) -> Result<String, std::io::Error> {
    if file.as_os_str() != "-" {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().take(1 << 20).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_allocator_returns_memory_in_the_background() {
        // The test binary has the program's allocator, which prints its options at exit.
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("--list")
            .env("_RJEM_MALLOC_CONF", "stats_print:true")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("opt.background_thread: true"), "{said}");
    }
}
