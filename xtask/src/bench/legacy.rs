//! `bench legacy`: runs the API as a process with a real control plane and database, and a catalog of a
//! generated download server. Measures upgrade checks, the commonest request of asu 0.2.0's clients, beside
//! polls of a finished build in the same run, and searches for models.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Error,
    api::server::Server,
    catalog::{self, Size, Upstream},
    median, missing, process,
    queue::leader::Leader,
    world::World,
    wrk,
};

/// Connections of each load.
const CONNECTIONS: u32 = 16;
/// Duration of each load in seconds.
const SECONDS: u32 = 3;
/// Least ratio of the rate of checks to that of polls.
const GOAL: f64 = 0.3;

/// Arguments of `bench legacy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of versions.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=64))]
    versions: u32,
    /// Number of profiles of each version.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    profiles: u32,
    /// Number of packages of an architecture.
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    packages: u32,
    /// Number of installed packages in a check.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=1000))]
    installed: u32,
    /// Number of measurements of each kind. The medians are compared.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measure the development builds. They compile faster, but run several times slower.
    #[arg(long)]
    dev: bool,
}

/// Runs the benchmark.
///
/// # Errors
/// When it cannot run, or checks are too slow.
pub async fn run(args: Args) -> Result<(), Error> {
    let size = Size {
        branches: 1,
        versions: args.versions,
        targets: 8,
        architectures: 2,
        feeds: 7,
        packages: args.packages,
        profiles: args.profiles,
    };
    let programs = process::programs(args.dev).await?;
    let upstream = Upstream::start(size).await?;
    let world = World::servers().await?;
    let leader = Leader::start(&programs, &world, 1).await?;
    world.put(&catalog::distribution(size, &upstream.url())?).await?;
    catalog::update(&world, &upstream, &leader, "catalog").await?;
    drop(leader);
    let finished = world.finished(1).await?;
    let server = Server::start(&programs, &world, 1).await?;
    println!("\nthe API ({})", process::profile(args.dev));
    let ratio = checks(&server, &world, &finished, size, &args).await?;
    models(&server, &world, size).await?;
    let usage = server.usage()?;
    println!("memory              {:>6} MiB, maximum {} MiB", usage.mib(), usage.peak_mib());
    if ratio < GOAL {
        let problem = format!("the ratio is {ratio:.2}, and the goal is {GOAL}");
        return Err(Error::Missing(problem));
    }
    Ok(())
}

/// Measures checks beside polls. Returns the ratio of their rates.
async fn checks(
    server: &Server,
    world: &World,
    finished: &str,
    size: Size,
    args: &Args,
) -> Result<f64, Error> {
    let body = check(server, size, args.installed).await?;
    let script = format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n\
         wrk.body = [==[{body}]==]\n"
    );
    let script = write(world, "check.lua", &script)?;
    let (check_url, poll_url) = (server.at("api/upgrade-check"), server.url(finished));
    load(Some(&script), &check_url).await?;
    let before = world.read_rows().await?;
    let (mut of_checks, mut of_polls, mut requests) = (Vec::new(), Vec::new(), 0_u64);
    for _ in 0..args.rounds {
        let report = load(Some(&script), &check_url).await?;
        println!("upgrade-check       {report}");
        requests = requests.saturating_add(report.requests);
        of_checks.push(report.per_second);
        let report = load(None, &poll_url).await?;
        println!("GET of a build      {report}");
        of_polls.push(report.per_second);
    }
    let rows = world.read_rows().await?.saturating_sub(before);
    let ratio = median(of_checks) / median(of_polls);
    println!("{} bytes of a check, {} packages", body.len(), args.installed);
    println!("ratio               {ratio:>6.2}, goal {GOAL}");
    println!("rows read meanwhile {rows:>6}, during {requests} checks");
    Ok(ratio)
}

/// The body of a check: the oldest version, with packages of its feeds.
async fn check(server: &Server, size: Size, installed: u32) -> Result<String, Error> {
    let versions = size.versions_of(0);
    let oldest = versions.last().ok_or_else(|| missing("no version"))?;
    let path = format!("json/v1/releases/{oldest}/packages/{}-index.json", size.arch(0));
    let index = server.text(&server.at(&path)).await?;
    let index: BTreeMap<String, Value> = serde_json::from_str(&index).map_err(missing)?;
    let count = usize::try_from(installed).unwrap_or(usize::MAX);
    let installed: BTreeMap<_, _> =
        index.into_iter().take(count).map(|(name, _)| (name, "0-old")).collect();
    Ok(json!({
        "distro": "openwrt", "version": oldest, "target": "board0/generic",
        "installed": installed, "upgrade_packages": 1,
    })
    .to_string())
}

/// Measures searches for models, over all versions in turn.
async fn models(server: &Server, world: &World, size: Size) -> Result<(), Error> {
    let versions: Vec<String> =
        size.versions_of(0).iter().map(|version| format!("\"{version}\"")).collect();
    let script = format!(
        "local versions = {{{}}}\nlocal n = 0\nrequest = function()\n  n = n + 1\n  \
         local version = versions[n % #versions + 1]\n  return wrk.format(\"GET\", \
         \"/api/models?distro=openwrt&version=\" .. version .. \"&model_search=device%203%20\" .. \
         n % 200)\nend\n",
        versions.join(", ")
    );
    let script = write(world, "models.lua", &script)?;
    let url = server.at("");
    load(Some(&script), &url).await?;
    println!(
        "search for a model  {}, over {} versions",
        load(Some(&script), &url).await?,
        size.versions
    );
    Ok(())
}

/// Writes a script of wrk to the folder of the world.
fn write(world: &World, name: &str, script: &str) -> Result<String, Error> {
    let path = world.folder().join(name);
    std::fs::write(&path, script).map_err(missing)?;
    Ok(path.display().to_string())
}

async fn load(script: Option<&str>, url: &str) -> Result<wrk::Report, Error> {
    let report = wrk::run(Command::new("wrk"), CONNECTIONS, SECONDS, script, url).await?;
    match report.errors.first() {
        None => Ok(report),
        Some(error) => Err(Error::Missing(format!("{url}: {error}"))),
    }
}
