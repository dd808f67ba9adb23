//! `bench first-image`: measures the time from the POST to the image, and its phases.

use std::time::{Duration, Instant};

use super::{Error, bare_job, load, median, memory, phases, writes};
use asu_tests::{
    deploy::{Deployment, Options, Site},
    progress::Progress,
    scenario::System,
};

/// Time limit of one build.
const WITHIN: Duration = Duration::from_mins(5);

/// Arguments of `bench first-image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of measurements of each of the two, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Duration of each load test, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    load_seconds: u32,
}

struct Round {
    ours: Duration,
    bare: bare_job::Times,
    writes: writes::Counts,
    phases: phases::Phases,
}

/// Runs the benchmark.
///
/// # Errors
/// When it cannot run.
pub async fn run(args: Args) -> Result<(), Error> {
    let progress = Progress::new();
    let site = Site::local("local", &progress).await?;
    Deployment::install(&site, &Options::for_demo(None), &progress).await?;
    let client = site.client().await?;
    let router = asu_tests::router::Router::new(&site.url().await?);
    let system = System { site, client, router };
    progress.say("one build as a warm-up");
    let warm = system.router.build(&system.request(&["fixture-hello"]), WITHIN, |_| {}).await?;
    let place = bare_job::place(&system).await?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        progress.say(&format!("round {number} of {}", args.rounds));
        rounds.push(round(&system, &place, number).await?);
    }
    report(&rounds);
    let idle = memory::Resident::read(&system).await?;
    load::run(&system, &warm, args.load_seconds).await?;
    println!("\nresident memory, MiB\n  before the load: {idle}");
    println!("  after the load:  {}", memory::Resident::read(&system).await?);
    Ok(())
}

async fn round(system: &System, place: &bare_job::Place, number: u32) -> Result<Round, Error> {
    let before = writes::Counts::read(system).await?;
    let (started, mut phases) = (Instant::now(), phases::Phases::default());
    let request = system.request(&["fixture-hello"]);
    let answer = system.router.build(&request, WITHIN, |state| phases.saw(state)).await?;
    let ours = started.elapsed();
    phases.saw("answered");
    let build = system
        .until_build("the build is Ready", &answer, WITHIN, |build| {
            let status = build.status.as_ref();
            status.is_some_and(|status| asu_crds::is_true(&status.conditions, "Ready"))
        })
        .await?;
    let writes = writes::Counts::read(system).await?.since(&before);
    phases.inside(system, &build).await?;
    let bare = bare_job::run(system, place, number).await?;
    Ok(Round { ours, bare, writes, phases })
}

fn report(rounds: &[Round]) {
    println!(
        "\nfrom the POST to the image, with a warm cache, compared with a plain Job with `make image`"
    );
    println!(
        "{:>5} {:>9} {:>9} {:>7} {:>11} {:>7}",
        "round", "ours/s", "bare/s", "ratio", "bare copy/s", "writes"
    );
    for (number, round) in rounds.iter().enumerate() {
        let (ours, bare) = (round.ours.as_secs_f64(), round.bare.total.as_secs_f64());
        println!(
            "{:>5} {ours:>9.2} {bare:>9.2} {:>7.2} {:>11.2} {:>7}",
            number + 1,
            ours / bare,
            round.bare.copy.as_secs_f64(),
            round.writes.ours(),
        );
    }
    let ratios =
        rounds.iter().map(|round| round.ours.as_secs_f64() / round.bare.total.as_secs_f64());
    println!("median ratio {:.2}", median(ratios.collect()));
    let without_copy = rounds.iter().map(|round| {
        round.ours.as_secs_f64() / round.bare.total.saturating_sub(round.bare.copy).as_secs_f64()
    });
    println!(
        "median ratio {:.2} to a plain Job without the time for copying the tree",
        median(without_copy.collect())
    );
    println!("\nphases of each round: as seen by the router, and the steps inside the pod, in ms");
    for round in rounds {
        println!("  {}", round.phases);
    }
    if let Some(round) = rounds.last() {
        println!("\nwrites to the API server of the last build\n{}", round.writes);
    }
}
