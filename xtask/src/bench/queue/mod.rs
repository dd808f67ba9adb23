//! `bench queue`: measures a long queue. Builds are created, wait, are admitted and cancelled, with the
//! operator as a process, and a real control plane and database.

pub mod leader;

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Error, median,
    process::{self, Usage},
    world::World,
};
use leader::Leader;

/// Maximum memory of the leader with ten thousand waiting builds, in MiB.
const BUDGET_MIB: u64 = 100;
/// Number of concurrent requests of the benchmark.
const AT_A_TIME: usize = 16;
/// Time limit of one phase.
const WITHIN: Duration = Duration::from_mins(20);
/// Duration of the idle phase: the leader's allocator returns unused memory within ten seconds.
const REST: Duration = Duration::from_secs(20);

/// Arguments of `bench queue`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of waiting builds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    builds: u32,
    /// Number of running builds that end, so that waiting builds are admitted.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    admissions: u32,
    /// Measure the development build of the operator. It compiles faster, but runs several times
    /// slower.
    #[arg(long)]
    dev: bool,
}

/// Result of one phase: its duration, and the leader's memory and CPU time.
struct Phase {
    name: &'static str,
    took: Duration,
    cpu: Duration,
    usage: Usage,
}

/// Runs the benchmark.
///
/// # Errors
/// When it cannot run, or the leader exceeds its budget.
pub async fn run(args: Args) -> Result<(), Error> {
    let number = usize::try_from(args.builds).unwrap_or(usize::MAX);
    let programs = process::programs(args.dev).await?;
    let world = World::start().await?;
    let leader = Leader::start(&programs, &world, number).await?;
    world.ready_cache().await?;
    let empty = leader.usage()?;
    let profile = process::profile(args.dev);
    println!("\n{number} builds, operator ({profile}) with {} MiB when idle", empty.mib());
    let created = phase(&leader, "create", create(&world, number)).await?;
    let queued = phase(&leader, "until all wait", leader.waiting(number, WITHIN)).await?;
    let idle = phase(&leader, "idle", rest()).await?;
    let mut latencies = Vec::new();
    let admissions = admit(&world, args.admissions, &mut latencies);
    let admitted = phase(&leader, "end and admit", admissions).await?;
    let left = world.count().await?;
    let cancelled = phase(&leader, "cancel", cancel(&world)).await?;
    let over = phase(&leader, "idle after", rest()).await?;
    let both = created.took.saturating_add(queued.took);
    for phase in [&created, &queued, &idle, &admitted, &cancelled, &over] {
        println!(
            "  {:<15} {:>8.2} s, leader {:>7.2} s of CPU, {:>4} MiB (maximum {} MiB)",
            phase.name,
            phase.took.as_secs_f64(),
            phase.cpu.as_secs_f64(),
            phase.usage.mib(),
            phase.usage.peak_mib()
        );
    }
    println!("created          {:>8.0} per second", rate(number, created.took));
    println!("created to wait  {:>8.0} per second", rate(number, both));
    println!(
        "cancelled        {:>8.0} per second, recorded and deleted",
        rate(left, cancelled.took)
    );
    let worst = latencies.iter().copied().fold(0.0, f64::max);
    println!("end to next Job  {:>8.3} s median, {worst:.3} s worst", median(latencies));
    let bytes = queued.usage.kib.saturating_sub(empty.kib).saturating_mul(1 << 10);
    println!("a waiting build  {:>8} bytes of the leader", bytes / u64::from(args.builds));
    let most = cancelled.usage.peak_mib();
    println!("maximum memory   {most:>8} MiB of {BUDGET_MIB} MiB");
    if most > BUDGET_MIB {
        return Err(Error::Missing(format!("the leader used {most} MiB, more than {BUDGET_MIB}")));
    }
    Ok(())
}

async fn phase(
    leader: &Leader,
    name: &'static str,
    work: impl Future<Output = Result<(), Error>>,
) -> Result<Phase, Error> {
    eprintln!("{name} …");
    let (before, begun) = (leader.usage()?, Instant::now());
    work.await?;
    let (took, usage) = (begun.elapsed(), leader.usage()?);
    Ok(Phase { name, took, cpu: usage.cpu.saturating_sub(before.cpu), usage })
}

async fn rest() -> Result<(), Error> {
    tokio::time::sleep(REST).await;
    Ok(())
}

async fn create(world: &World, number: usize) -> Result<(), Error> {
    stream::iter(0..number)
        .map(|n| world.create(n))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

/// Ends running builds one after the other, and measures the time until the next build has a Job.
async fn admit(world: &World, number: u32, latencies: &mut Vec<f64>) -> Result<(), Error> {
    for _ in 0..number {
        let running = world.jobs().await?;
        let Some(job) = running.first() else {
            return Err(Error::Missing("a running build to end".into()));
        };
        let begun = Instant::now();
        world.end(job).await?;
        world.another_job(&running, WITHIN).await?;
        latencies.push(begun.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn cancel(world: &World) -> Result<(), Error> {
    let names = world.builds().await?;
    stream::iter(&names)
        .map(|name| world.delete(name))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>()
        .await?;
    world.nothing_left(WITHIN).await
}

fn rate(number: usize, took: Duration) -> f64 {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    f64::from(number) / took.as_secs_f64().max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_second() {
        assert!((rate(3000, Duration::from_secs(30)) - 100.0).abs() < f64::EPSILON);
    }
}
