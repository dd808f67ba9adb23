//! A client that uses the API like a router: it posts a request, polls, downloads the images, and checks
//! their digests. Used by scenarios and the demo.

use std::time::Duration;

use asu_core::digest::Digest;
use serde_json::Value;
use tokio::time::Instant;

/// Why a router did not get its image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server did not respond.
    #[error("{url}: {source}")]
    Http {
        /// The requested URL.
        url: String,
        /// The HTTP client's error.
        source: reqwest::Error,
    },
    /// The answer does not conform to the API.
    #[error("{url}: {problem}")]
    Answer {
        /// The requested URL.
        url: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The build failed.
    #[error("the build failed with status {status}: {detail}")]
    Failed {
        /// Status of the answer.
        status: u16,
        /// `detail` of the answer.
        detail: String,
        /// Log of the build, as far as the answer has it.
        log: String,
    },
    /// The build did not end in time.
    #[error("after {} s the build is still {last}", .after.as_secs())]
    Deadline {
        /// The time limit.
        after: Duration,
        /// Last state seen.
        last: String,
    },
    /// A downloaded file has another digest than the answer contains.
    #[error("{name} has the digest {actual}, the answer says {expected}")]
    Digest {
        /// File name.
        name: String,
        /// Digest in the answer.
        expected: String,
        /// Digest of the download.
        actual: String,
    },
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body; null when there is none.
    pub body: Value,
    /// Header fields, by lower-case name.
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// A member of the body as text; empty when absent.
    pub fn text(&self, member: &str) -> &str {
        self.body.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// State of the build, from the answer's members.
    pub fn state(&self) -> String {
        let stage = self.text("imagebuilder_status");
        match self.body.get("queue_position").and_then(Value::as_u64) {
            Some(position) => format!("queued, position {position}"),
            None if stage.is_empty() => self.text("detail").to_owned(),
            None => stage.to_owned(),
        }
    }
}

/// A downloaded image.
#[derive(Debug, Clone)]
pub struct Image {
    /// File name.
    pub name: String,
    /// Digest, which was compared with the answer's.
    pub sha256: String,
    /// Content.
    pub bytes: bytes::Bytes,
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Router {
    base: String,
    http: reqwest::Client,
}

impl Router {
    /// A client of the server at `base`, for example `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), http: reqwest::Client::new() }
    }

    /// Sends a request with any method and reads the JSON answer.
    ///
    /// # Errors
    /// When there is no answer, or its body is not JSON.
    pub async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.base);
        let http = |source| Error::Http { url: url.clone(), source };
        let mut request = self.http.request(method, &url).timeout(Duration::from_secs(30));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(http)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(http)?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|error| Error::Answer {
                url: url.clone(),
                problem: format!("status {status}, not JSON: {error}"),
            })?
        };
        Ok(Answer { status, body, headers })
    }

    /// Status and body text of a GET request for a path.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn text(&self, path: &str) -> Result<(u16, String), Error> {
        let url = format!("{}{path}", self.base);
        let http = |source| Error::Http { url: url.clone(), source };
        let request = self.http.get(&url).timeout(Duration::from_secs(30));
        let response = request.send().await.map_err(http)?;
        Ok((response.status().as_u16(), response.text().await.map_err(http)?))
    }

    /// Posts a build request.
    ///
    /// # Errors
    /// See [`Router::ask`].
    pub async fn post(&self, request: &Value) -> Result<Answer, Error> {
        self.ask(reqwest::Method::POST, "/api/v1/build", Some(request)).await
    }

    /// Polls a build.
    ///
    /// # Errors
    /// See [`Router::ask`].
    pub async fn get(&self, hash: &str) -> Result<Answer, Error> {
        self.ask(reqwest::Method::GET, &format!("/api/v1/build/{hash}"), None).await
    }

    /// Posts a request and polls, like the client owut, until the build ended. Calls `see` with each new
    /// state.
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
        let mut answer = self.post(request).await?;
        let mut last = String::new();
        loop {
            match answer.status {
                200 => return Ok(answer),
                202 => {}
                status => {
                    return Err(Error::Failed {
                        status,
                        detail: answer.text("detail").to_owned(),
                        log: answer.text("stdout").to_owned(),
                    });
                }
            }
            let state = answer.state();
            if state != last {
                see(&state);
                last = state;
            }
            if started.elapsed() > within {
                return Err(Error::Deadline { after: within, last });
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            let polled = self.get(answer.text("request_hash")).await;
            // The ingress answers so while it does not know a new pod yet. Routers retry as well.
            let passing = match &polled {
                Err(Error::Http { .. } | Error::Answer { .. }) => true,
                Ok(answer) => matches!(answer.status, 502..=504),
                Err(_) => false,
            };
            if !passing || started.elapsed() > within {
                answer = polled?;
            }
        }
    }

    /// Downloads a file of the store.
    ///
    /// # Errors
    /// When there is no answer, or another status than 200.
    pub async fn fetch(&self, bin_dir: &str, name: &str) -> Result<bytes::Bytes, Error> {
        self.bytes(&format!("/store/{bin_dir}/{name}")).await
    }

    /// Downloads a file.
    ///
    /// # Errors
    /// When there is no answer, or another status than 200.
    pub async fn bytes(&self, path: &str) -> Result<bytes::Bytes, Error> {
        let url = format!("{}{path}", self.base);
        let http = |source| Error::Http { url: url.clone(), source };
        let response = self.http.get(&url).send().await.map_err(http)?;
        let status = response.status();
        if status != reqwest::StatusCode::OK {
            return Err(Error::Answer { url, problem: format!("status {status}") });
        }
        response.bytes().await.map_err(http)
    }

    /// Downloads every image of a finished build and checks its digest.
    ///
    /// # Errors
    /// When a download fails, or has another digest than the answer contains.
    pub async fn images(&self, answer: &Answer) -> Result<Vec<Image>, Error> {
        let bin_dir = answer.text("bin_dir");
        let mut images = Vec::new();
        for image in answer.body.get("images").and_then(Value::as_array).into_iter().flatten() {
            let member =
                |name: &str| image.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (name, expected) = (member("name"), member("sha256"));
            if !asu_core::result::is_plain_file_name(&name) {
                let url = format!("{}/store/{bin_dir}", self.base);
                return Err(Error::Answer { url, problem: format!("{name:?} is no file name") });
            }
            let bytes = self.fetch(bin_dir, &name).await?;
            let actual = Digest::of(&bytes).to_string();
            if actual != expected {
                return Err(Error::Digest { name, expected, actual });
            }
            images.push(Image { name, sha256: actual, bytes });
        }
        Ok(images)
    }
}
