//! `cargo xtask test`: runs all tests, level by level, and prints the number of tests of each level.

mod circles;
mod level;
mod runner;

use std::{collections::BTreeMap, fs::Permissions, os::unix::fs::PermissionsExt as _};

use asu_tests::{cluster, progress::Progress, toolchain};
pub use level::Level;
use runner::Runner;
use tempfile::TempDir;

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Run only these levels instead of all.
    #[arg(long, value_enum, value_delimiter = ',')]
    level: Vec<Level>,
    /// Keep the cluster of the level `cluster` after the tests, for inspection.
    #[arg(long)]
    keep_cluster: bool,
}

/// Why the tests failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command failed; its output contains the reason.
    #[error("{what} failed")]
    Failed {
        /// The command.
        what: String,
    },
    /// The name of a test file does not begin with a level.
    #[error(
        "tests/tests/{0}.rs does not belong to a level: begin its name with store_, fixture_, builder_, api_, operator_, crds_, chart_ or cluster_"
    )]
    NoLevel(String),
    /// A source file cannot be parsed.
    #[error("{path}: {problem}")]
    NotRust {
        /// The file.
        path: String,
        /// The parser's error.
        problem: String,
    },
    /// Source files form a dependency cycle.
    #[error("files of {package} form a dependency cycle: {}", circle.join(" -> "))]
    Circle {
        /// Folder of the package.
        package: String,
        /// Their modules, each of which uses the next.
        circle: Vec<String>,
    },
    /// A level ran no test.
    #[error("the level {0} ran no test")]
    Empty(&'static str),
    /// The cluster could not be brought up or down.
    #[error(transparent)]
    Cluster(#[from] asu_tests::cluster::Error),
    /// The system could not be installed on the cluster.
    #[error(transparent)]
    Deploy(#[from] asu_tests::deploy::Error),
    /// The demo failed.
    #[error("the demo failed: {0}")]
    Demo(#[from] crate::demo::Error),
    /// A repeated demo took too long.
    #[error("a second demo took more than {0} s")]
    Slow(u64),
    /// A file could not be read.
    #[error("{what}: {source}")]
    Io {
        /// The file.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Error {
    /// The exit code: 3 if the machine lacks a requirement, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::Deploy(error) => error.exit_code(),
            _ => 1,
        }
    }
}

/// Runs the levels in order and prints the number of tests of each.
///
/// # Errors
/// When a level fails; later levels are not run.
pub async fn run(args: TestArgs) -> Result<(), Error> {
    let progress = Progress::new();
    let mut levels = if args.level.is_empty() { Level::ALL.to_vec() } else { args.level };
    levels.sort_unstable();
    levels.dedup();
    let needs_machine = levels.iter().any(|level| level.needs_machine());
    if needs_machine {
        toolchain::ensure_machine(&progress).await.map_err(cluster::Error::from)?;
    }
    let targets = level::test_targets()?;
    let scratch = scratch()?;
    let runner = Runner {
        targets: &targets,
        progress: &progress,
        keep_cluster: args.keep_cluster,
        scratch: scratch.path(),
    };
    let mut counts = BTreeMap::new();
    for level in levels {
        progress.say(&format!("level {}", level.name()));
        let count = runner.run(level).await?;
        if count == 0 {
            return Err(Error::Empty(level.name()));
        }
        counts.insert(level, count);
    }
    println!();
    for (level, count) in &counts {
        println!("{:<14} {count:>5} passed", level.name());
    }
    println!("total: {} passed, 0 failed", counts.values().sum::<u64>());
    Ok(())
}

/// A folder for the temporary files of all tests. It is removed at the end with its content, because
/// suites share folders that no single test may remove. Like /tmp, it is writable for all users,
/// because the users of pods need it.
fn scratch() -> Result<TempDir, Error> {
    let io = |source| Error::Io { what: "a temporary folder".to_owned(), source };
    let folder = tempfile::Builder::new().prefix("asu-test-").tempdir().map_err(io)?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).map_err(io)?;
    Ok(folder)
}
