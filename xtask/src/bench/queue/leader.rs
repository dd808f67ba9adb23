//! Runs the operator as a process for `bench queue`.

use std::{path::Path, time::Duration};

use asu_tests::ports;
use tokio::process::Command;

use super::super::{
    Error,
    process::{self, Process, Usage},
    world::World,
};

/// Time limit for its start.
const READY: Duration = Duration::from_mins(1);

/// A running operator. It is stopped when the value is dropped.
pub struct Leader {
    process: Process,
    metrics: String,
    http: reqwest::Client,
}

impl Leader {
    /// Starts it and waits until it is the leader.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(programs: &Path, world: &World, builds: usize) -> Result<Self, Error> {
        let [port] = ports::free().map_err(|error| Error::Missing(error.to_string()))?;
        let mut command = Command::new(programs.join("asu-operator"));
        command
            .env("KUBECONFIG", world.kubeconfig())
            .env("ASU_LOG", "warn")
            .env("ASU_DATABASE_URL", world.database_url())
            .args(["run", "--namespace=default", "--pod-name=bench", "--builder-image=builder:1"])
            .args(["--cache-claim-mode=shared"])
            // So that a full disk of this machine does not pause admission.
            .args(["--store-low-water=98", "--store-high-water=99", "--store-pause=100"])
            .arg(format!("--max-pending={}", builds.saturating_mul(2)))
            .arg(format!("--store-url=file://{}", world.store().display()))
            .arg(format!("--listen=127.0.0.1:{port}"));
        let process = Process::start(command, &world.folder().join("operator.log"))?;
        let metrics = format!("http://127.0.0.1:{port}/metrics");
        let leader = Self { process, metrics, http: process::http()? };
        let leads = async || leader.metric("asu_operator_leader").await == Some(1);
        leader.process.until("the operator to lead", READY, leads).await?;
        Ok(leader)
    }

    /// Waits until all builds that do not run are in the queue.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn waiting(&self, builds: usize, within: Duration) -> Result<(), Error> {
        let all = i64::try_from(builds).unwrap_or(i64::MAX);
        let wait = async || {
            let waiting = self.metric("asu_operator_queue_waiting").await;
            let running = self.metric("asu_operator_queue_running").await;
            waiting.zip(running).is_some_and(|(waiting, running)| waiting + running >= all)
        };
        self.process.until("all builds to wait", within, wait).await
    }

    async fn metric(&self, name: &str) -> Option<i64> {
        let text = self.http.get(&self.metrics).send().await.ok()?.text().await.ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// Present memory and CPU time of the process.
    ///
    /// # Errors
    /// When the process has exited.
    pub fn usage(&self) -> Result<Usage, Error> {
        self.process.usage()
    }
}
