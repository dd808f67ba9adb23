//! Plays a web client in a real browser: a page of another origin, so that the browser's rules for such
//! requests apply. The browser is Chromium without a window.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderName, header},
    response::Html,
    routing::{get, post},
};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc,
};
use url::form_urlencoded;

use crate::{
    progress::Progress,
    toolchain::{self, debian},
};

const PAGE: &str = include_str!("page.html");
const COMMON: &str = include_str!("common.js");

/// Maximum size of an upload in bytes.
const MAX_UPLOAD: usize = 256 << 20;

/// What a page does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// LibreMesh Chef of 2019.
    Chef,
}

impl Scenario {
    fn script(self) -> &'static str {
        match self {
            Self::Chef => include_str!("chef.js"),
        }
    }
}

/// Why a scenario failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The browser cannot be installed.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// The browser or the page's server did not start.
    #[error("{what}: {source}")]
    Io {
        /// What did not start.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The page found something wrong.
    #[error("the page says: {0}")]
    Failed(String),
    /// The page sent no result.
    #[error("no result of the page after {} s; the browser says: {output}", .after.as_secs())]
    Deadline {
        /// The time limit.
        after: Duration,
        /// End of the browser's output.
        output: String,
    },
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what, source }
}

/// Opens a page with this scenario and returns its result. `parameters` are those of the page's URL.
///
/// # Errors
/// When the page finds something wrong, or sends no result in time.
pub async fn play(
    scenario: Scenario,
    parameters: &BTreeMap<&str, String>,
    within: Duration,
) -> Result<Value, Error> {
    debian::ensure_browser(&Progress::new()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed("page"))?;
    let address = listener.local_addr().map_err(failed("page"))?;
    let (sender, mut results) = mpsc::channel(1);
    let server = tokio::spawn(async move { axum::serve(listener, page(scenario, sender)).await });
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let folder = tempfile::tempdir().map_err(failed("folder of the browser"))?;
    let browser = Browser::start(folder.path(), &format!("http://{address}/?{query}"))?;
    let result = tokio::time::timeout(within, results.recv()).await;
    server.abort();
    match result.ok().flatten() {
        Some(mut result) => match result.get("failed").and_then(Value::as_str) {
            Some(text) => Err(Error::Failed(text.to_owned())),
            None => Ok(result.get_mut("done").map(Value::take).unwrap_or_default()),
        },
        None => Err(Error::Deadline { after: within, output: browser.output() }),
    }
}

/// The page, what it reports, and what it uploads, as to the router that it is a page of.
fn page(scenario: Scenario, sender: mpsc::Sender<Value>) -> Router {
    let script = |text: &'static str| get(move || async move { (JAVASCRIPT, text) });
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/common.js", script(COMMON))
        .route("/scenario.js", script(scenario.script()))
        .route("/result", post(result))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD))
        .with_state(Arc::new(sender))
}

const JAVASCRIPT: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/javascript")];

async fn result(State(sender): State<Arc<mpsc::Sender<Value>>>, body: Bytes) {
    let result = serde_json::from_slice(&body).unwrap_or_default();
    // The receiver is gone after the first result.
    let _ = sender.send(result).await;
}

/// The browser, with all its processes in a group of their own. They end when the value is dropped.
struct Browser {
    main: Child,
    output: PathBuf,
}

impl Browser {
    fn start(folder: &Path, url: &str) -> Result<Self, Error> {
        let output = folder.join("output");
        let file = File::create(&output).map_err(failed("output of the browser"))?;
        let main = Command::new(debian::BROWSER)
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            // Its sandbox needs another user than root; the page and the server are the test's own.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--no-proxy-server"])
            // Without this port it would end when the page is loaded.
            .arg("--remote-debugging-port=0")
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(failed(debian::BROWSER))?;
        Ok(Self { main, output })
    }

    /// The end of its output.
    fn output(&self) -> String {
        let output = std::fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&output).into_owned();
        let lines: Vec<&str> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = self.main.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
