//! HTTP client for the mirrors of a download server, with limits on time, size and redirects.
//!
//! Mirrors are tried in order, in several rounds with a growing pause while the failures are
//! temporary. The size limit applies to the received bytes, whatever `Content-Length` says.
//! Signatures and digests are checked by the callers.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::header::{CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{UpstreamError, shown};
use crate::text::is_plain_name;

/// Maximum number of redirects of one request: mirrors use one or two.
const MAX_REDIRECTS: usize = 5;

/// Maximum length in bytes of `ETag` and `Last-Modified`; longer ones are ignored.
const MAX_VALIDATOR: usize = 256;

/// Time limits and retries of the client.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Time limit of a connection attempt.
    pub connect_timeout: Duration,
    /// Maximum time between two chunks of a body.
    pub read_timeout: Duration,
    /// Time limit of the request for one document.
    pub document_timeout: Duration,
    /// Time limit of the request for one tarball.
    pub download_timeout: Duration,
    /// Maximum number of rounds through all mirrors; the first always takes place.
    pub rounds: u32,
    /// Pause after the first round; doubled after each further one.
    pub pause: Duration,
    /// Maximum pause between two rounds.
    pub max_pause: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            document_timeout: Duration::from_mins(2),
            download_timeout: Duration::from_hours(1),
            rounds: 3,
            pause: Duration::from_millis(500),
            max_pause: Duration::from_secs(10),
        }
    }
}

/// Validators of a response, for a conditional request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// `ETag` of the last response.
    pub etag: Option<String>,
    /// `Last-Modified` of the last response.
    pub last_modified: Option<String>,
}

/// A document and where it came from.
#[derive(Clone, Debug)]
pub struct Document {
    /// The whole body.
    pub bytes: Bytes,
    /// For the next conditional request.
    pub validator: Validator,
    /// Requested URL, before redirects.
    pub url: Url,
}

/// Response to a conditional request.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The document that the validator belongs to is still current.
    NotModified,
    /// The document.
    New(Document),
}

/// Client for the mirrors of a download server.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client,
    pub(crate) bases: Vec<Url>,
    pub(crate) options: ClientOptions,
}

impl Upstream {
    /// A client for these mirrors, which are tried in this order. `http` is allowed because
    /// authenticity comes from signatures, not from TLS.
    pub fn new(base_urls: Vec<Url>, options: ClientOptions) -> Result<Self, UpstreamError> {
        if base_urls.is_empty() {
            return Err(UpstreamError::Setup { detail: "no base URL is given".into() });
        }
        for base in &base_urls {
            check_base(base)?;
        }
        let client = Client::builder()
            .user_agent(concat!("asu-upstream/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .redirect(Policy::custom(follow))
            // Retries are done by the rounds through the mirrors only.
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(|error| UpstreamError::Setup { detail: chain(&error) })?;
        Ok(Self { client, bases: base_urls, options })
    }

    /// Fetches the document at `path` below a mirror. Its body may have at most `max_bytes`.
    pub async fn document(&self, path: &str, max_bytes: u64) -> Result<Document, UpstreamError> {
        match self.fetch(path, max_bytes, None).await? {
            Fetched::New(document) => Ok(document),
            Fetched::NotModified => Err(UpstreamError::Unavailable {
                url: path.to_owned(),
                detail: "it answers 304 to a request without condition".into(),
            }),
        }
    }

    /// Fetches the document at `path`, unless it is unchanged since `validator`.
    pub async fn fetch(
        &self,
        path: &str,
        max_bytes: u64,
        validator: Option<&Validator>,
    ) -> Result<Fetched, UpstreamError> {
        self.on_any_mirror(path, async |url| {
            let Some(response) = self.ask(&url, validator).await? else {
                return Ok(Fetched::NotModified);
            };
            let validator = validator_of(&response);
            let mut bytes = Vec::new();
            receive(response, &url, max_bytes, async |piece, _| {
                bytes.extend_from_slice(&piece);
                Ok(())
            })
            .await?;
            Ok(Fetched::New(Document { bytes: bytes.into(), validator, url }))
        })
        .await
    }

    /// Requests one document. `None` when it is unchanged since `validator`.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        validator: Option<&Validator>,
    ) -> Result<Option<Response>, UpstreamError> {
        let request = self.client.get(url.clone()).timeout(self.options.document_timeout);
        let response = send(condition(request, validator), url).await?;
        let is_current = response.status() == StatusCode::NOT_MODIFIED && validator.is_some();
        Ok((!is_current).then_some(response))
    }

    /// The first mirror.
    pub(crate) fn base(&self) -> Result<&Url, UpstreamError> {
        let none = || UpstreamError::Setup { detail: "no base URL is given".into() };
        self.bases.first().ok_or_else(none)
    }

    /// A GET request with the time limit of a tarball.
    pub(crate) fn download_request(&self, url: &Url) -> RequestBuilder {
        self.client.get(url.clone()).timeout(self.options.download_timeout)
    }
}

/// Sends a request. Every status but 200 and 304 is an error.
async fn send(request: RequestBuilder, url: &Url) -> Result<Response, UpstreamError> {
    accepted(exchange(request, url).await?, url)
}

/// Sends a request, and returns the response whatever its status is.
pub(crate) async fn exchange(
    request: RequestBuilder,
    url: &Url,
) -> Result<Response, UpstreamError> {
    request.send().await.map_err(|error| unavailable(url, error))
}

/// Every status but 200 and 304 is an error.
pub(crate) fn accepted(response: Response, url: &Url) -> Result<Response, UpstreamError> {
    match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(response),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Err(UpstreamError::NotFound { url: shown(url) })
        }
        status => Err(UpstreamError::Unavailable {
            url: shown(url),
            detail: format!("HTTP status {}", status.as_u16()),
        }),
    }
}

/// Reads a body of at most `limit` bytes. Calls `take` with each chunk and the `Content-Length`.
/// Returns the number of received bytes.
pub(crate) async fn receive(
    response: Response,
    url: &Url,
    limit: u64,
    mut take: impl AsyncFnMut(Bytes, Option<u64>) -> Result<(), UpstreamError>,
) -> Result<u64, UpstreamError> {
    let too_large = || UpstreamError::TooLarge { url: shown(url), limit };
    let announced = announced_length(&response);
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut received: u64 = 0;
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| broken_off(url, received, announced, &error))?;
        received = received.saturating_add(piece.len() as u64);
        if received > limit {
            return Err(too_large());
        }
        take(piece, announced).await?;
    }
    Ok(received)
}

fn announced_length(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The error for a body that did not arrive completely: an early end, a reset, or a time-out. hyper
/// does not distinguish the first two.
fn broken_off(
    url: &Url,
    received: u64,
    announced: Option<u64>,
    error: &reqwest::Error,
) -> UpstreamError {
    let how = if error.is_timeout() { "fell silent" } else { "broke off" };
    let expected = announced.map_or_else(|| "?".to_owned(), |length| length.to_string());
    UpstreamError::BrokenOff { url: shown(url), how, received, expected }
}

fn unavailable(url: &Url, error: reqwest::Error) -> UpstreamError {
    let detail = chain(&error.without_url());
    UpstreamError::Unavailable { url: shown(url), detail }
}

/// The error's text with its causes, which reqwest leaves out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(300).collect()
}

fn condition(request: RequestBuilder, validator: Option<&Validator>) -> RequestBuilder {
    let Some(Validator { etag, last_modified }) = validator else { return request };
    match (etag, last_modified) {
        (Some(etag), _) => request.header(IF_NONE_MATCH, etag),
        (None, Some(time)) => request.header(IF_MODIFIED_SINCE, time),
        (None, None) => request,
    }
}

pub(crate) fn validator_of(response: &Response) -> Validator {
    let text = |name| {
        let text = response.headers().get(name)?.to_str().ok()?;
        (text.len() <= MAX_VALIDATOR).then(|| text.to_owned())
    };
    Validator { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
}

/// Allows up to [`MAX_REDIRECTS`] redirects, and none from `https` to another scheme.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let downgraded = attempt
        .previous()
        .last()
        .is_some_and(|previous| previous.scheme() == "https" && attempt.url().scheme() != "https");
    if downgraded {
        attempt.error("it redirects from https to another scheme")
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("it redirects too often")
    } else {
        attempt.follow()
    }
}

fn check_base(base: &Url) -> Result<(), UpstreamError> {
    let bad = |detail: &str| {
        Err(UpstreamError::BadAddress { url: shown(base), detail: detail.to_owned() })
    };
    if !matches!(base.scheme(), "http" | "https") {
        return bad("its scheme is neither http nor https");
    }
    if base.host().is_none() {
        return bad("it has no host");
    }
    if base.query().is_some() || base.fragment().is_some() {
        return bad("it has a query or a fragment");
    }
    Ok(())
}

/// The URL of `path` below `base`. Every component must be a plain name; it may start with a dot, as
/// the names of index files do.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, UpstreamError> {
    let bad = |detail: &str| UpstreamError::BadAddress {
        url: path.chars().take(200).collect(),
        detail: detail.to_owned(),
    };
    let plain = |name: &str| is_plain_name(name.strip_prefix('.').unwrap_or(name), 255);
    if !path.split('/').all(plain) {
        return Err(bad("its parts are not plain names"));
    }
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| bad("the base cannot have a path"))?
        .pop_if_empty()
        .extend(path.split('/'));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_below_the_base_with_or_without_its_slash() {
        for base in ["http://h/a", "http://h/a/"] {
            let url = join(&base.parse().unwrap(), "releases/24.10.7/.targets.json").unwrap();
            assert_eq!(url.as_str(), "http://h/a/releases/24.10.7/.targets.json");
        }
    }

    #[test]
    fn a_path_never_leaves_the_base() {
        let base: Url = "http://h/a/".parse().unwrap();
        for bad in ["", "/x", "x//y", "../x", "x/..", "x/.", "x?y", "x#y", "x%2f..", "x y", "..x"] {
            assert!(join(&base, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bases_are_http_without_query() {
        for bad in ["ftp://h/", "file:///x", "http://h/?q", "http://h/#f", "data:x"] {
            let refused = Upstream::new(vec![bad.parse().unwrap()], ClientOptions::default());
            assert!(refused.is_err(), "{bad}");
        }
        assert!(Upstream::new(Vec::new(), ClientOptions::default()).is_err());
    }

    #[test]
    fn credentials_are_never_shown() {
        let url: Url = "https://user:secret@h/x?token=secret#secret".parse().unwrap();
        assert_eq!(shown(&url), "https://h/x");
    }
}
