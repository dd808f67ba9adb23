//! How long an image takes from the POST, and where the time goes.

use std::time::{Duration, Instant};

use asu_crds::FirmwareBuild;
use asu_tests::{
    deploy::{Deployment, Options, Site},
    progress::Progress,
    scenario::System,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Error, bare_job, load, writes};

/// Longest build that is waited for.
const WITHIN: Duration = Duration::from_mins(5);

/// Arguments of `bench first-image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often each of the two is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Seconds of each load.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    load_seconds: u32,
}

struct Round {
    ours: Duration,
    bare: bare_job::Times,
    writes: writes::Counts,
    build: Option<FirmwareBuild>,
}

/// Measures.
///
/// # Errors
/// Why it could not.
pub async fn run(args: Args) -> Result<(), Error> {
    let progress = Progress::new();
    let site = Site::local("local", &progress).await?;
    Deployment::install(&site, &Options::for_demo(None), &progress).await?;
    let client = site.client().await?;
    let router = asu_tests::router::Router::new(&site.url().await?);
    let system = System { site, client, router };
    progress.say("one build to warm everything up");
    let warm = system.router.build(&system.request(&["fixture-hello"]), WITHIN, |_| {}).await?;
    let place = bare_job::place(&system).await?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        progress.say(&format!("round {number} of {}", args.rounds));
        rounds.push(round(&system, &place, number).await?);
    }
    report(&rounds);
    load::run(&system, &warm, args.load_seconds).await
}

async fn round(system: &System, place: &bare_job::Place, number: u32) -> Result<Round, Error> {
    let before = writes::Counts::read(system).await?;
    let started = Instant::now();
    let answer = system.router.build(&system.request(&["fixture-hello"]), WITHIN, |_| {}).await?;
    let ours = started.elapsed();
    let build = system
        .until_build("the build is Ready", &answer, WITHIN, |build| {
            let status = build.status.as_ref();
            status.is_some_and(|status| asu_crds::is_true(&status.conditions, "Ready"))
        })
        .await
        .ok();
    let writes = writes::Counts::read(system).await?.since(&before);
    let bare = bare_job::run(system, place, number).await?;
    Ok(Round { ours, bare, writes, build })
}

fn report(rounds: &[Round]) {
    println!("\nPOST to image, warm cache, beside a bare Job with public `make image`");
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
    println!("\nphases (seconds since the object was created)");
    for round in rounds {
        if let Some(build) = &round.build {
            println!("  {}", phases(build));
        }
    }
    if let Some(round) = rounds.last() {
        println!("\nwrites to the API server of the last build\n{}", round.writes);
    }
}

fn phases(build: &FirmwareBuild) -> String {
    let created = build.metadata.creation_timestamp.as_ref();
    let Some(times) = build.status.as_ref().and_then(|status| status.times.as_ref()) else {
        return "no times".to_owned();
    };
    let since = |time: &Option<Time>| match (created, time) {
        (Some(created), Some(time)) => {
            format!("{:.0}", time.0.duration_since(created.0).as_secs_f64())
        }
        _ => "-".to_owned(),
    };
    format!(
        "queued {} admitted {} started {} finished {} archived {}",
        since(&times.queued_at),
        since(&times.admitted_at),
        since(&times.started_at),
        since(&times.finished_at),
        since(&times.archived_at),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
