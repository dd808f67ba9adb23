//! `cargo xtask conformance`: checks that a server answers its clients as they need it.

use std::time::Duration;

use asu_tests::{
    api_conformance::{self, Choice, Options},
    verdict,
};

/// Check that a server answers the requests of its clients as they need it.
///
/// Sends the requests of auc, LuCI and Chef of 2018 and 2019 in the form in which they send them, and
/// each kind of bad request. Prints one line for each rule: `ok` with the duration, `FAIL` with the
/// expected and the actual answer, or `n/a` with the reason why it cannot be checked here. Exit code 1
/// means that a rule failed.
///
/// Needs only a base URL. It makes some builds, with first-boot scripts that no other request has,
/// unless --no-builds is given.
#[derive(Debug, clap::Args)]
pub struct ConformanceArgs {
    /// Base URL of the server, for example http://127.0.0.1:8080.
    #[arg(long)]
    url: String,
    /// Distribution to ask for. Without this option, it is the first one offered.
    #[arg(long)]
    distro: Option<String>,
    /// Version to ask for. Without this option, it is the latest one of the distribution.
    #[arg(long = "of-version", value_name = "VERSION")]
    version: Option<String>,
    /// A part of the display name of the device to ask for. Without this option, it is the first one.
    #[arg(long)]
    model: Option<String>,
    /// Skip the rules that need a build.
    #[arg(long)]
    no_builds: bool,
    /// Maximum duration of one build, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    seconds: u64,
}

/// Why the command exits with 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The suite cannot run.
    #[error(transparent)]
    Suite(#[from] api_conformance::Error),
    /// Rules failed.
    #[error("{0} rules failed")]
    Failed(usize),
}

/// Checks the server in the arguments.
///
/// # Errors
/// When a rule failed, or nothing could be checked.
pub async fn run(args: ConformanceArgs) -> Result<(), Error> {
    let options = Options {
        url: args.url,
        choice: Choice { distro: args.distro, version: args.version, model: args.model },
        builds_within: (!args.no_builds).then(|| Duration::from_secs(args.seconds)),
    };
    let lines = api_conformance::run(&options, |line| println!("{line}")).await?;
    let (ok, failed, not_applicable) = verdict::count(lines.iter().map(|line| &line.verdict));
    println!("{ok} ok, {failed} failed, {not_applicable} not applicable");
    if failed > 0 { Err(Error::Failed(failed)) } else { Ok(()) }
}
