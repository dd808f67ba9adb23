//! Conformance suite of ImageBuilders: checks that an ImageBuilder has the behaviours that this system relies on. The
//! program of the pods unpacks it, warms it up, and builds with it, as unprivileged users and in a
//! folder in place of a pod's root.
//!
//! The numbers are those of the conformance list. Called by `cargo xtask ib-conformance` and tests.

mod behaviours;
mod failures;
mod images;
mod listings;
mod place;
mod plain;
mod source;
mod trailer;
mod tree;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use asu_core::names::{PackageSpec, ProfileId};
use tokio::process::Command;

use crate::{
    exec,
    fixtures::{self, Upstream},
    verdict::Verdict,
};
use behaviours::{Behaviour, Suite};

/// Why the suite itself could not continue. A wrong behaviour of an ImageBuilder is a [`Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// The file or program.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// A request to the fixture's server failed.
    #[error(transparent)]
    Fixtures(#[from] fixtures::Error),
    /// A file is not the expected JSON.
    #[error("{what}: {source}")]
    Json {
        /// The file or program.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The given path is not an ImageBuilder.
    #[error("{path}: {problem}")]
    Source {
        /// The given path.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server that `populate` downloads from did not start.
    #[error("python3 -m http.server did not start: {0}")]
    Server(String),
    /// A program wrote no result.
    #[error("{0}")]
    Nothing(String),
}

/// Creates an [`Error::Io`] about `what`.
fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io { what: what.to_string(), source }
}

/// Creates an [`Error::Json`] about `what`.
fn json(what: impl fmt::Display) -> impl FnOnce(serde_json::Error) -> Error {
    move |source| Error::Json { what: what.to_string(), source }
}

/// Options of the suite.
#[derive(Debug)]
pub struct Options<'a> {
    /// Path of the program `asu-builder`.
    pub program: PathBuf,
    /// The ImageBuilder: a tarball or an unpacked tree, which is only read.
    pub source: PathBuf,
    /// Base URL for packages, instead of that in the tree's repositories file.
    pub package_base_url: Option<String>,
    /// Profile to build; the first one when absent.
    pub profile: Option<ProfileId>,
    /// Packages that are added to every build.
    pub packages: Vec<PackageSpec>,
    /// The fixture's server, if the ImageBuilder is the fixture's. Needed to install the fixture's
    /// packages and to inject faults.
    pub upstream: Option<&'a Upstream>,
    /// Time limit of one build in seconds.
    pub seconds: u64,
}

/// One behaviour with its result.
#[derive(Clone, Debug)]
pub struct Line {
    /// Number in the list of golden behaviours; 0 is unpacking.
    pub number: u8,
    /// The expected behaviour.
    pub name: &'static str,
    /// Result of the check.
    pub verdict: Verdict,
    /// Duration of the check.
    pub took: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, name, verdict, took } = self;
        match verdict {
            Verdict::Ok => write!(f, "ok   {number:>2} {name} ({:.1} s)", took.as_secs_f64()),
            Verdict::Failed(why) => write!(f, "FAIL {number:>2} {name}: {why}"),
            Verdict::NotApplicable(why) => write!(f, "n/a  {number:>2} {name}: {why}"),
        }
    }
}

/// Checks all behaviours, one after the other. Calls `report` with each line when it is known.
///
/// # Errors
/// When the suite cannot begin. Later errors are verdicts of lines.
pub async fn run(options: &Options<'_>, mut report: impl FnMut(&Line)) -> Result<Vec<Line>, Error> {
    let mut suite = Suite::new(options).await?;
    let mut lines = Vec::new();
    for &behaviour in Behaviour::ALL {
        let started = Instant::now();
        let verdict = suite.check(behaviour).await;
        let (number, name) = behaviour.title();
        let line = Line { number, name, verdict, took: started.elapsed() };
        report(&line);
        lines.push(line);
    }
    Ok(lines)
}

/// Builds the program `asu-builder` of this checkout and returns its path.
///
/// # Errors
/// cargo's error.
pub async fn builder_program() -> Result<PathBuf, Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package", "asu-builder"]).current_dir(crate::root());
    exec::run(command).await?;
    Ok(crate::target_dir().join(Path::new("debug/asu-builder")))
}
