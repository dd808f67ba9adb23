//! The golden behaviours of an ImageBuilder that this system relies on, checked on any ImageBuilder:
//! the same program that pods run unpacks it, warms it up, and builds with it, in a folder that
//! stands for a pod's root and as users without rights.
//!
//! Numbers are those of the conformance list.

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

use tokio::process::Command;

use crate::{
    exec,
    fixtures::{self, Upstream},
};
use behaviours::{Behaviour, Suite};

/// Why the suite itself could not go on. What an ImageBuilder does wrong is a [`Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// The fixture's server.
    #[error(transparent)]
    Fixtures(#[from] fixtures::Error),
    /// A file is not the JSON that it should be.
    #[error("{what}: {source}")]
    Json {
        /// Which.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// What was given is no ImageBuilder.
    #[error("{path}: {problem}")]
    Source {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server that `populate` downloads from did not start.
    #[error("python3 -m http.server did not start: {0}")]
    Server(String),
    /// A program left nothing.
    #[error("{0}")]
    Nothing(String),
}

/// Makes an [`Error::Io`] that names `what`.
fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io { what: what.to_string(), source }
}

/// Makes an [`Error::Json`] that names `what`.
fn json(what: impl fmt::Display) -> impl FnOnce(serde_json::Error) -> Error {
    move |source| Error::Json { what: what.to_string(), source }
}

/// What is checked, and with what.
#[derive(Debug)]
pub struct Options<'a> {
    /// The program `asu-builder`.
    pub program: PathBuf,
    /// Tarball or unpacked tree; nothing is written to it.
    pub source: PathBuf,
    /// Where packages come from instead of the server that the tree names.
    pub package_base_url: Option<String>,
    /// Profile to build; the first one when absent.
    pub profile: Option<String>,
    /// Packages that are added to every build.
    pub packages: Vec<String>,
    /// The fixture's server, when the ImageBuilder is the fixture's: then its packages can be
    /// installed, and the server can be made to fail.
    pub upstream: Option<&'a Upstream>,
    /// Longest time of one build, in seconds.
    pub seconds: u64,
}

/// How a behaviour was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Otherwise: what was expected and what was seen.
    Failed(String),
    /// It cannot be checked here, and why.
    NotApplicable(String),
}

/// One behaviour and how it was found.
#[derive(Clone, Debug)]
pub struct Line {
    /// Number in the list of golden behaviours; 0 is unpacking.
    pub number: u8,
    /// What should be so.
    pub name: &'static str,
    /// How it was found.
    pub verdict: Verdict,
    /// How long that took.
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

/// Checks every behaviour, one after the other; `report` sees each line when it is known.
///
/// # Errors
/// The suite could not begin. What goes wrong later is the verdict of a line.
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

/// How many lines are ok, failed, not applicable.
pub fn count(lines: &[Line]) -> (usize, usize, usize) {
    let of = |test: fn(&Verdict) -> bool| lines.iter().filter(|line| test(&line.verdict)).count();
    (
        of(|verdict| matches!(verdict, Verdict::Ok)),
        of(|verdict| matches!(verdict, Verdict::Failed(_))),
        of(|verdict| matches!(verdict, Verdict::NotApplicable(_))),
    )
}

/// Builds the program `asu-builder` of this checkout and returns where it is.
///
/// # Errors
/// What cargo said.
pub async fn builder_program() -> Result<PathBuf, Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package", "asu-builder"]).current_dir(crate::root());
    exec::run(command).await?;
    Ok(crate::target_dir().join(Path::new("debug/asu-builder")))
}
