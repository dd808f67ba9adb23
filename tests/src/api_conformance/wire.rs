//! Sends requests in the form in which a client sends them: order and case of the headers, and whether a body
//! has a length or comes in chunks. Each request has a connection of its own, as auc's and owut's have.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, client::conn::http1};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use tower::Service as _;

use crate::verdict::{Not, expected};

/// Time limit of one exchange. The shortest one of a client is 15 s (auc).
const WITHIN: Duration = Duration::from_secs(15);
/// Maximum size of an answer in bytes; an image has some hundred MiB.
const MAX_ANSWER: usize = 1 << 30;
/// Size of a chunk of a body.
const CHUNK: usize = 64;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base URL is not one.
    #[error("{0}: not a base URL like http://127.0.0.1:8080")]
    Base(String),
    /// The system's certificates cannot be read.
    #[error("certificates: {0}")]
    Certificates(std::io::Error),
    /// A request could not be made, or had no answer.
    #[error("{what}: {problem}")]
    Exchange {
        /// Method and path.
        what: String,
        /// What went wrong.
        problem: String,
    },
}

impl From<Error> for Not {
    fn from(error: Error) -> Self {
        Self::Expected(error.to_string())
    }
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With `Content-Length`.
    Length,
    /// With `Transfer-Encoding: chunked`.
    Chunked,
}

/// A request as a client sends it. `Host` is added as the first header.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// Path with query.
    pub path: String,
    /// Headers in their order.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<(Framing, Bytes)>,
}

impl Sent {
    /// A GET without headers.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: None }
    }

    /// A POST of a body without headers.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let body = Some((Framing::Length, body.into()));
        Self { method: Method::POST, path: path.into(), headers: Vec::new(), body }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with another method.
    #[must_use]
    pub fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Method and path of the request, for messages.
    pub what: String,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// A header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value, Not> {
        match serde_json::from_slice(&self.body) {
            Ok(value) => Ok(value),
            Err(error) => expected("JSON", format_args!("{error} in {self}")),
        }
    }

    /// The status must be one of these.
    ///
    /// # Errors
    /// When it is another one.
    pub fn is(&self, statuses: &[u16]) -> Result<&Self, Not> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        expected(&format!("{} {statuses:?}", self.what), self)
    }

    /// It must be an error in JSON with this status and `error`, which web pages may read.
    ///
    /// # Errors
    /// When it is not.
    pub fn is_error(&self, status: u16) -> Result<&Self, Not> {
        self.is(&[status])?;
        let error = self.json()?;
        let told = error.get("error").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !told {
            return expected(&format!("{} {status} with `error`", self.what), self);
        }
        self.is_open()
    }

    /// Web pages of any origin must be allowed to read it.
    ///
    /// # Errors
    /// When it has not exactly one such header.
    pub fn is_open(&self) -> Result<&Self, Not> {
        let origins = self.headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
        if origins.map(HeaderValue::as_bytes).eq([b"*"]) {
            return Ok(self);
        }
        expected("Access-Control-Allow-Origin: *", self)
    }

    /// A header must have this value.
    ///
    /// # Errors
    /// When it has another one.
    pub fn has(&self, name: &str, value: &str) -> Result<&Self, Not> {
        if self.header(name) == value {
            return Ok(self);
        }
        expected(&format!("{} {name}: {value}", self.what), self)
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        write!(f, "{} {} {text}", self.what, self.status)?;
        for (name, value) in &self.headers {
            if name.as_str().starts_with("x-") || name == header::ACCESS_CONTROL_ALLOW_ORIGIN {
                write!(f, " [{name}: {}]", String::from_utf8_lossy(value.as_bytes()))?;
            }
        }
        Ok(())
    }
}

/// The checked server.
#[derive(Clone, Debug)]
pub struct Server {
    base: Uri,
    /// Base URL without a trailing slash.
    pub url: String,
    connector: HttpsConnector<HttpConnector>,
}

impl Server {
    /// The server at a base URL.
    ///
    /// # Errors
    /// When the URL is malformed, or the system has no certificates.
    pub fn new(url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/').to_owned();
        let base: Uri = url.parse().map_err(|_| Error::Base(url.clone()))?;
        if base.authority().is_none() || !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err(Error::Base(url));
        }
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(Error::Certificates)?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { base, url, connector })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn send(&self, sent: &Sent) -> Result<Reply, Error> {
        let what = format!("{} {}", sent.method, sent.path);
        let problem = |problem: String| Error::Exchange { what: what.clone(), problem };
        let request = self.request(sent).map_err(|error| problem(error.to_string()))?;
        match tokio::time::timeout(WITHIN, self.exchange(request)).await {
            Ok(Ok((status, headers, body))) => Ok(Reply { what, status, headers, body }),
            Ok(Err(error)) => Err(problem(error.to_string())),
            Err(_) => Err(problem(format!("no answer within {} s", WITHIN.as_secs()))),
        }
    }

    fn request(&self, sent: &Sent) -> Result<Request<Body>, http::Error> {
        let prefix = self.base.path().trim_end_matches('/');
        let mut request =
            Request::builder().method(&sent.method).uri(format!("{prefix}{}", sent.path));
        let host = self.base.authority().map_or("", |authority| authority.as_str());
        request = request.header(header::HOST, host);
        for (name, value) in &sent.headers {
            request = request.header(HeaderName::from_bytes(name.as_bytes())?, value);
        }
        let body = match &sent.body {
            None => Full::new(Bytes::new()).boxed_unsync(),
            Some((Framing::Length, body)) => Full::new(body.clone()).boxed_unsync(),
            Some((Framing::Chunked, body)) => {
                let chunks: Vec<_> = body
                    .chunks(CHUNK)
                    .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
                    .collect();
                StreamBody::new(stream::iter(chunks)).boxed_unsync()
            }
        };
        request.body(body)
    }

    async fn exchange(
        &self,
        request: Request<Body>,
    ) -> Result<(u16, HeaderMap, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = self.connector.clone().call(self.base.clone()).await?;
        let (mut sender, connection) =
            http1::Builder::new().title_case_headers(true).handshake::<_, Body>(stream).await?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        connection.abort();
        Ok((head.status.as_u16(), head.headers, body))
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;
