//! The command line of the program in build pods: sets the umask and signals, and calls the library
//! for one subcommand.

mod cli;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use asu_builder::{
    build,
    confine::{self, Confinement},
    paths::Paths,
    populate, publish, run,
};
use clap::Parser as _;
use cli::{Cli, Command};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::watch,
};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Command::Confine(arguments) = command {
        let confinement = Confinement { cpus: arguments.cpus, no_network: arguments.no_network };
        let Err(error) = confine::exec(&confinement, &arguments.argv);
        eprintln!("asu-builder confine: {error}");
        return ExitCode::from(126);
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    // Other users must be able to read files of the store and folders of a tree.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let ran = match command {
        Command::Populate(places) => populate(&places.paths()),
        Command::Build(places) => build(&places.paths()),
        Command::Publish(places) => publish(&places.paths()),
        Command::Confine(_) => Ok(ExitCode::FAILURE),
    };
    ran.unwrap_or_else(|error| {
        eprintln!("asu-builder: {error}");
        ExitCode::FAILURE
    })
}

type AnyError = Box<dyn std::error::Error>;

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn this_program() -> Result<PathBuf, AnyError> {
    Ok(run::this_program()?)
}

fn populate(paths: &Paths) -> Result<ExitCode, AnyError> {
    let builder = this_program()?;
    let runtime = runtime()?;
    let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()) })?;
    runtime.spawn(async move {
        terminate.recv().await;
        // A tree is not ready before its marker exists, and the next run removes the rest.
        std::process::exit(143);
    });
    let result = runtime.block_on(populate::run(paths, &builder));
    Ok(match result.failure {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn build(paths: &Paths) -> Result<ExitCode, AnyError> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = runtime()?;
    let stopped = Arc::clone(&stop);
    // PID 1 ignores signals without a handler.
    let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()) })?;
    runtime.spawn(async move {
        terminate.recv().await;
        stopped.store(true, Ordering::Relaxed);
    });
    let code = build::run(paths, &this_program()?, stop)?;
    Ok(ExitCode::from(code))
}

fn publish(paths: &Paths) -> Result<ExitCode, AnyError> {
    let code = runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, stop) = watch::channel(false);
        #[expect(clippy::disallowed_methods, reason = "it ends with the process")]
        tokio::spawn(async move {
            terminate.recv().await;
            // A closed receiver means that the run has already ended.
            let _ = sender.send(true);
        });
        Ok::<u8, AnyError>(publish::run(paths, stop).await?)
    })?;
    Ok(ExitCode::from(code))
}
