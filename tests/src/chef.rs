//! A client that uses the API of asu 0.2.0 like LibreMesh Chef of 2019: it searches the model, reads the default
//! packages, posts a build request, polls, and downloads what the folder `files` lists. Used by scenarios and
//! the demo.

use std::{collections::BTreeMap, time::Duration};

use asu_core::{digest::Digest, result::is_plain_file_name};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::router::{Answer, Error, Image, Router};

/// Pause between two polls. Chef waits five seconds.
const PAUSE: Duration = Duration::from_millis(500);

/// What a person chooses in Chef.
#[derive(Debug, Clone)]
pub struct Choice {
    /// `distro`.
    pub distro: String,
    /// `version`.
    pub version: String,
    /// A part of the model's name.
    pub model: String,
    /// Packages besides the default ones.
    pub packages: Vec<String>,
}

/// The client.
#[derive(Debug, Clone)]
pub struct Chef {
    server: String,
    http: Router,
}

impl Chef {
    /// A client of the server at `base`, for example `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self { server: base.trim_end_matches('/').to_owned(), http: Router::new(base) }
    }

    /// Builds the request for a choice as the page does.
    ///
    /// # Errors
    /// When the server does not offer what is chosen, or an answer has not the form that the page needs.
    pub async fn request(&self, choice: &Choice) -> Result<Value, Error> {
        let distros = self.get("/api/distributions").await?;
        let distro = distros.body.get(&choice.distro).unwrap_or(&Value::Null);
        let latest = distro.get("latest").and_then(Value::as_str).unwrap_or_default();
        // The page does not start otherwise.
        if distro.pointer(&format!("/versions/{latest}")).is_none() {
            return Err(self.wrong("/api/distributions", "latest is not a key of versions"));
        }
        let (_, profiles) = self.http.text("/network-profiles/Packages").await?;
        if !profiles.lines().any(|line| line.starts_with("Package: ")) {
            return Err(self.wrong("/network-profiles/Packages", "lists no package"));
        }
        let (name, version) = (&choice.distro, &choice.version);
        let path = format!(
            "/api/models?model_search={}&distro={name}&version={version}",
            choice.model.replace(' ', "%20")
        );
        let models = self.get(&path).await?;
        let found = models.body.as_array().and_then(|models| models.first()).cloned();
        let found = found.ok_or_else(|| self.wrong(&path, "no such model"))?;
        let member = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
        let (target, profile) = (member("target"), member("profile"));
        let path = format!(
            "/api/packages_image?distro={name}&version={version}&target={target}&profile={profile}"
        );
        let defaults = self.get(&path).await?;
        let defaults = defaults.body.as_array().cloned().unwrap_or_default();
        let packages: Vec<Value> =
            defaults.into_iter().chain(choice.packages.iter().map(|name| json!(name))).collect();
        Ok(json!({
            "distro": name, "version": version, "target": target, "board": profile,
            "profile": profile, "defaults": "", "packages": packages,
        }))
    }

    /// Posts a request and polls until the build ended. Calls `see` with each new state.
    ///
    /// # Errors
    /// When the build failed, or took longer than `within`.
    pub async fn build(
        &self,
        request: &Value,
        within: Duration,
        mut see: impl FnMut(&str),
    ) -> Result<Answer, Error> {
        let started = Instant::now();
        let mut answer = self.http.ask(Method::POST, "/api/build-request", Some(request)).await?;
        let mut last = String::new();
        loop {
            match answer.status {
                200 => return Ok(answer),
                202 | 503 => {}
                status => {
                    return Err(Error::Failed {
                        status,
                        detail: answer.text("error").to_owned(),
                        log: answer.text("log").to_owned(),
                    });
                }
            }
            let state = state(&answer);
            if state != last {
                see(&state);
                last = state;
            }
            if started.elapsed() > within {
                return Err(Error::Deadline { after: within, last });
            }
            tokio::time::sleep(PAUSE).await;
            let hash = answer.text("request_hash").to_owned();
            answer = self.get(&format!("/api/build-request/{hash}")).await?;
        }
    }

    /// Downloads every file that the folder of a finished build lists and that `sha256sums` names.
    ///
    /// # Errors
    /// When the listing, a download or a digest is wrong.
    pub async fn files(&self, answer: &Answer) -> Result<Vec<Image>, Error> {
        let files = answer.text("files");
        let folder = files.strip_prefix(&self.server).unwrap_or(files);
        if !folder.starts_with("/json/") || !folder.ends_with('/') {
            return Err(self.wrong(files, "is not a path below /json/ that ends with a slash"));
        }
        let listed = self.get(folder).await?;
        let entries = listed.body.as_array().cloned().unwrap_or_default();
        let names: Vec<&str> =
            entries.iter().filter_map(|entry| entry.get("name").and_then(Value::as_str)).collect();
        let (_, sums) = self.http.text(&format!("{folder}sha256sums")).await?;
        let sums: BTreeMap<&str, &str> = sums
            .lines()
            .filter_map(|line| line.split_once([' ', '*']))
            .map(|(sum, name)| (name.trim_start_matches([' ', '*']), sum))
            .collect();
        let mut images = Vec::new();
        for name in names {
            let Some(expected) = sums.get(name) else { continue };
            if !is_plain_file_name(name) {
                return Err(self.wrong(folder, &format!("{name:?} is no file name")));
            }
            let bytes = self.http.bytes(&format!("{folder}{name}")).await?;
            let actual = Digest::of(&bytes).to_string();
            if actual != *expected {
                let (name, expected) = (name.to_owned(), (*expected).to_owned());
                return Err(Error::Digest { name, expected, actual });
            }
            images.push(Image { name: name.to_owned(), sha256: actual, bytes });
        }
        Ok(images)
    }

    async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.http.ask(Method::GET, path, None).await
    }

    fn wrong(&self, path: &str, problem: &str) -> Error {
        Error::Answer { url: format!("{}{path}", self.server), problem: problem.to_owned() }
    }
}

/// State of a build as the page shows it.
fn state(answer: &Answer) -> String {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let status = header("x-imagebuilder-status").unwrap_or("processing");
    match header("x-build-queue-position") {
        Some(position) => format!("{status}, position {position}"),
        None => status.to_owned(),
    }
}
