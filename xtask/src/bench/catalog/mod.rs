//! `bench catalog`: reads a generated download server of real size with the operator as a process, and
//! serves it with the API as a process. Measures time, memory, requests and writes of a full and of an
//! unchanged update, and the requests per second of the three documents that clients read.

mod upstream;

use std::time::{Duration, Instant};

use asu_crds::Distribution;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Error, api::server::Server, missing, objects::parse, process, queue::leader::Leader,
    world::World, wrk,
};
pub use upstream::{Size, Upstream};
use upstream::{branch_name, profile_id};

/// Maximum resident memory of the operator and of the API, in MiB.
const BUDGET_MIB: u64 = 150;
/// Time limit of an update.
const UPDATE: Duration = Duration::from_hours(2);
/// Interval of checks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Connections and duration in seconds of a measurement of requests.
const LOAD: (u32, u32) = (16, 3);

/// Arguments of `bench catalog`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of branches.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=32))]
    branches: u32,
    /// Number of versions of all branches together; at most 64 for each branch.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2048))]
    versions: u32,
    /// Number of targets of each version.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1000))]
    targets: u32,
    /// Number of package architectures.
    #[arg(long, default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=1000))]
    architectures: u32,
    /// Number of feeds of each architecture.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=64))]
    feeds: u32,
    /// Number of packages of all feeds of an architecture together.
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    packages: u32,
    /// Number of profiles of all targets of a version together.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    profiles: u32,
    /// Measure the development builds. They compile faster, but run several times slower.
    #[arg(long)]
    dev: bool,
}

/// Runs the benchmark.
///
/// # Errors
/// When it cannot run, or a budget is exceeded.
pub async fn run(args: Args) -> Result<(), Error> {
    let size = Size {
        branches: args.branches,
        versions: args.versions,
        targets: args.targets,
        architectures: args.architectures,
        feeds: args.feeds,
        packages: args.packages,
        profiles: args.profiles,
    };
    let programs = process::programs(args.dev).await?;
    let upstream = Upstream::start(size).await?;
    let world = World::servers().await?;
    println!("\nthe catalog ({}), {size:?}", process::profile(args.dev));
    let leader = Leader::start(&programs, &world, 1).await?;
    world.put(&distribution(size, &upstream.url())?).await?;
    let full = update(&world, &upstream, &leader, "full update").await?;
    world.change_distribution(json!({"spec": {"prewarm": {"mostUsed": 0}}})).await?;
    let again = update(&world, &upstream, &leader, "unchanged update").await?;
    let operator = leader.usage()?;
    println!("operator            {:>6} MiB, maximum {} MiB", operator.mib(), operator.peak_mib());
    drop(leader);
    let api = api(&programs, &world, size).await?;
    if operator.peak_mib() > BUDGET_MIB || api > BUDGET_MIB {
        return Err(Error::Missing(format!("a program uses more than {BUDGET_MIB} MiB")));
    }
    if full.0 == 0 || again.0 > 0 {
        return Err(Error::Missing("an unchanged update wrote rows of the catalog".into()));
    }
    Ok(())
}

/// A Distribution of all versions of the download server.
///
/// # Errors
/// When its definition does not fit the object.
pub fn distribution(size: Size, url: &str) -> Result<Distribution, Error> {
    let branch = |number| {
        json!({
            "name": branch_name(number), "versions": size.versions_of(number),
            "signatures": "NotChecked",
        })
    };
    parse(json!({
        "apiVersion": "asu.dev/v1alpha1", "kind": "Distribution",
        "metadata": {"name": "openwrt"},
        "spec": {
            "title": "Bench",
            "upstream": {"fetchURLs": [url], "publicURL": "http://public.example"},
            "branches": (0..size.branches).map(branch).collect::<Vec<Value>>(),
        },
    }))
}

/// Waits for the reading of the present spec. Returns the rows and bytes that the database wrote.
///
/// # Errors
/// When it is not read in time.
pub async fn update(
    world: &World,
    upstream: &Upstream,
    leader: &Leader,
    what: &str,
) -> Result<(u64, u64), Error> {
    let (begun, before) = (Instant::now(), world.written().await?);
    while !world.is_read().await? {
        leader.usage()?;
        if begun.elapsed() > UPDATE {
            return Err(Error::Missing(format!("timed out during the {what}")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (usage, requests) = (leader.usage()?, upstream.take());
    let after = world.written().await?;
    let (rows, bytes) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    println!("{what}: {seconds:.1} s, operator at most {} MiB", usage.peak_mib());
    println!(
        "  {} requests, of which {} were answered with 304; {} MB received",
        requests.all,
        requests.not_modified,
        requests.bytes / 1_000_000
    );
    println!("  {rows} rows and {} kB written", bytes / 1000);
    Ok((rows, bytes))
}

/// Measures the API. Returns its peak memory in MiB.
async fn api(programs: &std::path::Path, world: &World, size: Size) -> Result<u64, Error> {
    let begun = Instant::now();
    let server = Server::start(programs, world, 1).await?;
    println!("API ready after     {:>6.1} s", begun.elapsed().as_secs_f64());
    let idle = server.usage()?;
    println!("API                 {:>6} MiB, maximum {} MiB", idle.mib(), idle.peak_mib());
    let versions = size.versions_of(size.branches.saturating_sub(1));
    let newest = versions.first().ok_or_else(|| missing("no version"))?;
    let base = format!("json/v1/releases/{newest}");
    for (what, path) in [
        ("target's packages", format!("{base}/targets/board0/generic/index.json")),
        ("packages of feeds", format!("{base}/packages/arch0-index.json")),
        ("profile", format!("{base}/targets/board0/generic/{}.json", profile_id(0, 0))),
    ] {
        let url = server.at(&path);
        let bytes = server.read(&url).await?;
        let (connections, seconds) = LOAD;
        let report = wrk::run(Command::new("wrk"), connections, seconds, None, &url).await?;
        println!("{what:<19} {report}, {bytes} bytes");
    }
    let usage = server.usage()?;
    println!("API                 {:>6} MiB, maximum {} MiB", usage.mib(), usage.peak_mib());
    Ok(usage.peak_mib())
}
