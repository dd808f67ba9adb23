//! The HTTP API: build requests, stored images, catalog.

use std::process::ExitCode;

use asu_api::{config::Settings, run};
use clap::Parser as _;
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

/// Gives the memory of connections back to the machine seconds after they end.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let filter = match EnvFilter::try_new(&settings.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("asu-api: ASU_LOG: {error}");
            return ExitCode::FAILURE;
        }
    };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the API ends");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn memory_is_given_back_although_nothing_is_asked_of_the_program() {
        // This test has the program's allocator, which says at its end what it ran with.
        let output = Command::new(std::env::current_exe().unwrap())
            .arg("--list")
            .env("_RJEM_MALLOC_CONF", "stats_print:true")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("opt.background_thread: true"), "{said}");
    }
}
