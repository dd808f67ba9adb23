//! Runs the API as a process for `bench api`.

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

/// A running API. It is stopped when the value is dropped.
pub struct Server {
    process: Process,
    address: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts it and waits until it is ready. `builds` is the maximum number of waiting builds.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(programs: &Path, world: &World, builds: usize) -> Result<Self, Error> {
        let ports = ports::free().map_err(|error| Error::Missing(error.to_string()))?;
        let [address, admin] = ports.map(|port| format!("127.0.0.1:{port}"));
        let mut command = Command::new(programs.join("asu-api"));
        command
            .env("KUBECONFIG", world.kubeconfig())
            .env("ASU_LOG", "warn")
            .env("ASU_DATABASE_URL", world.database_url())
            .arg("--namespace=default")
            .arg(format!("--max-pending={builds}"))
            .arg(format!("--store-url=file://{}", world.store().display()))
            .arg(format!("--listen={address}"))
            .arg(format!("--admin-listen={admin}"));
        let process = Process::start(command, &world.folder().join("api.log"))?;
        let http = process::http()?;
        let readyz = format!("http://{admin}/readyz");
        let ready = async || {
            let answer = http.get(&readyz).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        process.until("the API to be ready", READY, ready).await?;
        Ok(Self { process, address, http })
    }

    /// URL of the build with this request hash.
    pub fn url(&self, hash: &str) -> String {
        format!("http://{}/api/v1/build/{hash}", self.address)
    }

    /// Polls a build. Returns the number of bytes of the answer.
    ///
    /// # Errors
    /// When the build is not known.
    pub async fn poll(&self, hash: &str) -> Result<usize, Error> {
        self.read(&self.url(hash)).await
    }

    /// URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Requests a URL. Returns the number of bytes of the answer.
    ///
    /// # Errors
    /// When the answer is no success.
    pub async fn read(&self, url: &str) -> Result<usize, Error> {
        Ok(self.text(url).await?.len())
    }

    /// The text of a URL.
    ///
    /// # Errors
    /// When the answer is no success.
    pub async fn text(&self, url: &str) -> Result<String, Error> {
        let failed = |error: reqwest::Error| Error::Missing(error.to_string());
        let answer = self.http.get(url).send().await.map_err(failed)?;
        answer.error_for_status().map_err(failed)?.text().await.map_err(failed)
    }

    /// Present memory and CPU time of the process.
    ///
    /// # Errors
    /// When the process has exited.
    pub fn usage(&self) -> Result<Usage, Error> {
        self.process.usage()
    }
}
