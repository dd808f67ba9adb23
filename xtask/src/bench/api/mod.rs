//! `bench api`: runs the API as a process with a real control plane and database. Measures the CPU time
//! of polls of a waiting and of a finished build, and the memory after many connections.

pub mod server;

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::process::Command;

use super::{Error, median, objects, process, world::World, wrk};
use server::Server;

/// Maximum resident memory a minute after the load, in MiB.
const BUDGET_MIB: u64 = 30;
/// Maximum ratio of the CPU time of a poll of a waiting build to that of a finished build: 1 and the
/// error of such a measurement.
const BUDGET_RATIO: f64 = 1.1;
/// Number of connections that poll.
const POLLING: u32 = 16;
/// Duration of one measurement of polls in seconds.
const SECONDS: u32 = 2;
/// Duration of the load with many connections in seconds.
const LOAD_SECONDS: u32 = 10;
/// Times after the load at which memory is measured.
const AFTER: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(15), Duration::from_mins(1)];
/// Number of builds that are created concurrently.
const AT_A_TIME: usize = 16;

/// Arguments of `bench api`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of waiting builds.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    builds: u32,
    /// Number of measurements of each kind of poll. The medians are compared.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Number of connections, after which the memory is measured.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=2000))]
    connections: u32,
    /// Measure the development build of the API. It compiles faster, but runs several times slower.
    #[arg(long)]
    dev: bool,
}

/// Runs the benchmark.
///
/// # Errors
/// When it cannot run, or a budget is exceeded.
pub async fn run(args: Args) -> Result<(), Error> {
    let number = usize::try_from(args.builds).unwrap_or(usize::MAX);
    let programs = process::programs(args.dev).await?;
    let world = World::start().await?;
    let finished = world.finished(number).await?;
    println!("\nthe API ({})", process::profile(args.dev));
    let server = Server::start(&programs, &world, number).await?;
    let left = memory(&server, &finished, args.connections).await?;
    drop(server);
    eprintln!("creating {number} builds …");
    stream::iter(0..number)
        .map(|n| world.create(n))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>()
        .await?;
    let server = Server::start(&programs, &world, number).await?;
    let waiting = objects::hash(number / 2)?.to_string();
    let ratio = polls(&server, &finished, &waiting, &args).await?;
    if ratio > BUDGET_RATIO || left > BUDGET_MIB {
        return Err(Error::Missing("the API exceeds its budget".into()));
    }
    Ok(())
}

/// Returns the resident memory at the end.
async fn memory(server: &Server, finished: &str, connections: u32) -> Result<u64, Error> {
    server.poll(finished).await?;
    let before = server.usage()?.mib();
    println!("memory when idle    {before:>6} MiB");
    let url = server.url(finished);
    let report = wrk::run(Command::new("wrk"), connections, LOAD_SECONDS, None, &url).await?;
    let (end, peak) = (Instant::now(), server.usage()?.peak_mib());
    println!("maximum             {peak:>6} MiB, {connections} connections: {report}");
    let mut left = peak;
    for after in AFTER {
        tokio::time::sleep(after.saturating_sub(end.elapsed())).await;
        left = server.usage()?.mib();
        println!("{:>3} s later         {left:>6} MiB", after.as_secs());
    }
    println!("budget              {BUDGET_MIB:>6} MiB");
    Ok(left)
}

/// CPU time of one answer in microseconds.
async fn poll_cost(server: &Server, hash: &str) -> Result<f64, Error> {
    let before = server.usage()?.cpu;
    let url = server.url(hash);
    let report = wrk::run(Command::new("wrk"), POLLING, SECONDS, None, &url).await?;
    let cpu = server.usage()?.cpu.saturating_sub(before);
    let requests = u32::try_from(report.requests).unwrap_or(u32::MAX).max(1);
    eprintln!("  {report}");
    Ok(cpu.as_secs_f64() * 1e6 / f64::from(requests))
}

/// Returns the ratio of the CPU time of a poll of a waiting build to that of a finished build.
async fn polls(server: &Server, finished: &str, waiting: &str, args: &Args) -> Result<f64, Error> {
    let bytes = (server.poll(finished).await?, server.poll(waiting).await?);
    let (mut of_finished, mut of_waiting) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        of_finished.push(poll_cost(server, finished).await?);
        of_waiting.push(poll_cost(server, waiting).await?);
    }
    let (of_finished, of_waiting) = (median(of_finished), median(of_waiting));
    let ratio = of_waiting / of_finished;
    println!("CPU time of a poll, with {} waiting builds:", args.builds);
    println!("of a finished build {of_finished:>6.1} µs, {} bytes", bytes.0);
    println!("of a waiting build  {of_waiting:>6.1} µs, {} bytes", bytes.1);
    println!("ratio               {ratio:>6.2}, at most {BUDGET_RATIO}");
    Ok(ratio)
}
