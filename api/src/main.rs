//! The program `asu-api`: parses arguments, sets up logging, and calls the library.

use std::process::ExitCode;

use asu_api::{
    config::Settings,
    run,
    unavailable::{self, UnavailableSettings},
};
use clap::Parser as _;
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

/// Returns freed memory to the system within seconds, unlike the default allocator.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    if std::env::args_os().nth(1).is_some_and(|first| first == "unavailable") {
        let settings =
            UnavailableSettings::parse_from(program.into_iter().chain(arguments.skip(1)));
        return ended(unavailable::run(&settings).await);
    }
    serve().await
}

/// Reports an error before there is a log.
fn ended(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("asu-api: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves clients until the process is told to end.
async fn serve() -> ExitCode {
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
            tracing::error!(%error, "asu-api ends with an error");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn the_allocator_returns_memory_in_the_background() {
        // The test binary has the program's allocator, which prints its options at exit.
        let output = Command::new(std::env::current_exe().unwrap())
            .arg("--list")
            .env("_RJEM_MALLOC_CONF", "stats_print:true")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("opt.background_thread: true"), "{said}");
    }
}
