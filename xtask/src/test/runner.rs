//! Runs one level of tests: runs cargo's commands, prints their output, and counts their tests.

use std::{path::Path, process::Stdio, time::Duration};

use asu_tests::{
    cluster::{self, Cluster, ClusterConfig, Snapshot},
    deploy::{self, Deployment, Site},
    progress::Progress,
    root,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{Error, Level, circles};
use crate::demo::{self, DemoArgs};

/// The crates of the system.
const CRATES: [&str; 8] = [
    "asu-core",
    "asu-crds",
    "asu-artifacts",
    "asu-store",
    "asu-upstream",
    "asu-builder",
    "asu-operator",
    "asu-api",
];

/// Name of the cluster of the cluster level.
const CLUSTER: &str = "test";
/// Time limit of a repeated demo, for which everything is installed already.
const AGAIN: Duration = Duration::from_mins(2);

/// Settings of all levels.
pub struct Runner<'a> {
    /// Test files of `tests/tests/`.
    pub targets: &'a [(String, Level)],
    /// Prints progress.
    pub progress: &'a Progress,
    /// Whether the cluster is kept afterwards.
    pub keep_cluster: bool,
    /// Folder for temporary files.
    pub scratch: &'a Path,
}

impl Runner<'_> {
    /// Runs a level and returns the number of passed tests.
    pub async fn run(&self, level: Level) -> Result<u64, Error> {
        match level {
            Level::Checks => self.checks().await,
            Level::Unit => self.cargo(&["test", "--workspace", "--lib", "--bins"]).await,
            Level::Service => {
                let mut args = vec!["test", "--test", "*"];
                for name in CRATES {
                    args.extend(["--package", name]);
                }
                Ok(self.cargo(&args).await? + self.tests(level).await?)
            }
            Level::ControlPlane => self.tests(level).await,
            Level::Cluster => self.on_a_cluster().await,
        }
    }

    async fn tests(&self, level: Level) -> Result<u64, Error> {
        let mut args = vec!["test", "--package", "asu-tests"];
        for (name, _) in self.targets.iter().filter(|(_, its)| *its == level) {
            args.extend(["--test", name]);
        }
        if level == Level::Cluster {
            // All suites share one cluster, so they run one after the other, also after a failure.
            args.extend(["--no-fail-fast", "--", "--test-threads=1"]);
        }
        self.cargo(&args).await
    }

    async fn on_a_cluster(&self) -> Result<u64, Error> {
        let config = ClusterConfig::new("self-test");
        let shown = cluster::self_test::run(&config, self.progress).await?;
        for name in &shown {
            println!("test cluster {name} ... ok");
        }
        let before = Snapshot::take().await?;
        let result = self.deployed().await;
        if self.keep_cluster {
            return result;
        }
        Cluster::down(CLUSTER, self.progress).await?;
        let count = result?;
        let left = before.leftovers().await?;
        if !left.is_empty() {
            return Err(cluster::Error::Leftovers(left).into());
        }
        println!("the cluster left no processes, mounts, namespaces, interfaces or cgroups");
        Ok(count + shown.len() as u64 + 1)
    }

    async fn deployed(&self) -> Result<u64, Error> {
        let demos = self.demos().await?;
        let site = Site::local(CLUSTER, self.progress).await?;
        Deployment::install(&site, &deploy::Options::for_tests(), self.progress).await?;
        Ok(demos + self.tests(Level::Cluster).await?)
    }

    /// Runs the demo, the first command of the README, twice on the cluster of the tests.
    async fn demos(&self) -> Result<u64, Error> {
        let folder = self.scratch.join("demo");
        let args = DemoArgs::built_in(folder.clone());
        demo::run_on(CLUSTER, &args).await?;
        println!("test demo builds a firmware image ... ok");
        std::fs::remove_dir_all(&folder)
            .map_err(|source| Error::Io { what: folder.display().to_string(), source })?;
        let again = tokio::time::timeout(AGAIN, demo::run_on(CLUSTER, &args));
        again.await.map_err(|_| Error::Slow(AGAIN.as_secs()))??;
        println!("test repeated demo takes less than two minutes ... ok");
        Ok(2)
    }

    async fn checks(&self) -> Result<u64, Error> {
        let steps: [(&str, &[&str]); 5] = [
            ("format", &["fmt", "--all", "--check"]),
            (
                "lints",
                &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
            ),
            (
                "documentation",
                &["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"],
            ),
            (
                "licences, bans and sources",
                &[
                    "deny",
                    "--log-level",
                    "error",
                    "--offline",
                    "check",
                    "bans",
                    "licenses",
                    "sources",
                ],
            ),
            ("no unused dependencies", &["machete"]),
        ];
        let count = no_circles()?;
        println!("check no dependency cycles between the files of {count} crates ... ok");
        asu_tests::toolchain::cargo_tools(self.progress).await.map_err(cluster::Error::from)?;
        let mut count = 1;
        for (what, args) in steps {
            self.progress.step(what, self.cargo(args)).await?;
            println!("check {what} ... ok");
            count += 1;
        }
        Ok(count)
    }

    /// Runs cargo, prints its output, and returns the number of tests reported as passed.
    async fn cargo(&self, args: &[&str]) -> Result<u64, Error> {
        let what = format!("cargo {}", args.join(" "));
        let io = |source| Error::Io { what: what.clone(), source };
        let mut child = Command::new(std::env!("CARGO"))
            .args(args)
            .current_dir(root())
            .envs(asu_tests::toolchain::cargo_path())
            .env("TMPDIR", self.scratch)
            // With this variable cargo-machete assumes that it was not called by cargo.
            .env_remove("CARGO_PKG_NAME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io)?;
        let mut passed = 0;
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(io)? {
                println!("{line}");
                passed += passed_in(&line).unwrap_or(0);
            }
        }
        if child.wait().await.map_err(io)?.success() {
            Ok(passed)
        } else {
            Err(Error::Failed { what })
        }
    }
}

/// Checks every crate of the workspace for dependency cycles, and returns the number of crates.
fn no_circles() -> Result<usize, Error> {
    let mut count = 0;
    let io = |source| Error::Io { what: root().display().to_string(), source };
    for entry in std::fs::read_dir(root()).map_err(io)? {
        let package = entry.map_err(io)?.path();
        if !package.join("Cargo.toml").is_file() {
            continue;
        }
        if let Some(circle) = circles::circle(&package.join("src"))? {
            let package = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(Error::Circle { package, circle });
        }
        count += 1;
    }
    Ok(count)
}

/// Number of passed tests in the summary line of the test runner.
fn passed_in(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("test result: ok. ")?;
    rest.split_once(" passed")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All crates with their features, as cargo builds them with these arguments.
    fn built(edges: &str, of: &[&str]) -> std::collections::BTreeSet<String> {
        let mut command = std::process::Command::new(std::env!("CARGO"));
        command.args(["tree", "--offline", "--edges", edges, "--prefix", "none"]);
        command.args(["--format", "{p} [{f}]"]).args(of).current_dir(root());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    }

    #[test]
    fn crates_of_this_program_are_compiled_once_with_the_tests() {
        let tests = built("normal,build,dev", &["--workspace"]);
        let twice: Vec<_> = built("normal,build", &["--package", "xtask"])
            .into_iter()
            .filter(|built| !tests.contains(built))
            .collect();
        assert!(twice.is_empty(), "give xtask their features in its Cargo.toml: {twice:#?}");
    }

    #[test]
    fn no_crate_has_a_dependency_cycle_between_files() {
        assert!(no_circles().unwrap() > 8);
    }

    #[test]
    fn only_summary_lines_are_counted() {
        assert_eq!(passed_in("test result: ok. 12 passed; 0 failed; 0 ignored"), Some(12));
        assert_eq!(passed_in("test result: FAILED. 1 passed; 1 failed"), None);
        assert_eq!(passed_in("test passed_in ... ok"), None);
    }
}
