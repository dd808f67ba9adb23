//! Errors of reading from a download server, and how the client reacts to them. The operator and
//! `populate` show the texts; they never contain credentials.

use std::io;
use std::path::PathBuf;

use asu_core::digest::Digest;
use url::Url;

use crate::signature::SignatureError;

/// A document does not have the format that its name implies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {detail}")]
pub struct ParseError {
    /// The kind of document, for example `profiles.json`.
    pub what: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl ParseError {
    /// An error about the document `what`; the detail is cut to 200 characters.
    pub fn new(what: &'static str, detail: impl AsRef<str>) -> Self {
        Self { what, detail: detail.as_ref().chars().take(200).collect() }
    }

    /// Adds the URL of the document.
    pub fn at(self, url: &Url) -> UpstreamError {
        let Self { what, detail } = self;
        UpstreamError::Malformed { url: shown(url), what, detail }
    }
}

/// An error of reading from a download server. URLs are shown without credentials.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A base URL or a path is not allowed.
    #[error("bad address {url}: {detail}")]
    BadAddress {
        /// The address.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {detail}")]
    Setup {
        /// What is wrong.
        detail: String,
    },
    /// The server cannot be reached or refuses: a network error, a time-out, or an HTTP status other
    /// than success and "not found".
    #[error("{url} is unavailable: {detail}")]
    Unavailable {
        /// The address.
        url: String,
        /// Status or network error.
        detail: String,
    },
    /// The file does not exist on any mirror.
    #[error("{url} does not exist")]
    NotFound {
        /// The address.
        url: String,
    },
    /// The body is larger than allowed.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// Maximum number of bytes.
        limit: u64,
    },
    /// The connection ended or timed out in the middle of the body. The received part says nothing
    /// about the file on the server.
    #[error("{url} {how} after {received} of {expected} bytes")]
    BrokenOff {
        /// The address.
        url: String,
        /// `broke off` or `fell silent`.
        how: &'static str,
        /// Number of received bytes.
        received: u64,
        /// `Content-Length`, or `?`.
        expected: String,
    },
    /// The document does not have the format that its name implies.
    #[error("{url}: malformed {what}: {detail}")]
    Malformed {
        /// The address.
        url: String,
        /// The kind of document.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The document is not signed by a trusted key.
    #[error("{url}: {source}")]
    BadSignature {
        /// The address of the signed document.
        url: String,
        /// What is wrong.
        #[source]
        source: SignatureError,
    },
    /// The document is signed, but names another version, target or architecture than requested.
    #[error("{url} says of itself that it is of {said}, asked for {asked}")]
    AnotherDocument {
        /// The address.
        url: String,
        /// Version, target or architecture that it names.
        said: String,
        /// The requested one.
        asked: String,
    },
    /// The snapshot has an older revision than the catalog. Its signature is still valid, so only the
    /// revision protects against a rollback.
    #[error("{url} went back from revision {offered} to {said}")]
    OlderRevision {
        /// The address.
        url: String,
        /// Revision of the document.
        said: String,
        /// Revision in the catalog.
        offered: String,
    },
    /// The content has another digest than the signed list says.
    #[error("{url} has the sha256 {actual}, expected {expected}")]
    BadChecksum {
        /// The address.
        url: String,
        /// Digest in the signed list.
        expected: Digest,
        /// Digest of the received content.
        actual: Digest,
    },
    /// The caller could not store a document.
    #[error("a document could not be stored: {detail}")]
    NotKept {
        /// The caller's reason.
        detail: String,
    },
    /// A local file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl UpstreamError {
    /// The reason for conditions and metrics: one word of a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "BadAddress",
            Self::Setup { .. } => "ClientSetup",
            Self::Unavailable { .. } => "UpstreamUnavailable",
            Self::NotFound { .. } => "NotFound",
            Self::TooLarge { .. } => "TooLarge",
            Self::BrokenOff { .. } => "DownloadFailed",
            Self::Malformed { .. } => "Malformed",
            Self::BadSignature { .. } => "BadSignature",
            Self::AnotherDocument { .. } => "AnotherDocument",
            Self::OlderRevision { .. } => "OlderRevision",
            Self::BadChecksum { .. } => "BadChecksum",
            Self::NotKept { .. } => "NotKept",
            Self::Write { .. } => "WriteFailed",
        }
    }

    /// Whether a retry at the same server may succeed soon.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::BrokenOff { .. })
    }

    /// Whether the error is specific to a mirror, so that another may succeed.
    pub(crate) fn is_mirrors_fault(&self) -> bool {
        !matches!(
            self,
            Self::BadAddress { .. }
                | Self::Setup { .. }
                | Self::NotKept { .. }
                | Self::Write { .. }
        )
    }

    /// Whether the mirror served wrong content.
    pub(crate) fn is_wrong_content(&self) -> bool {
        self.is_mirrors_fault() && self.weight() >= 2
    }

    /// How important the error is. If several mirrors fail, the most important error is reported: wrong
    /// content is more important than an unreachable mirror, and this more than a missing file.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 0,
            Self::Unavailable { .. } | Self::BrokenOff { .. } => 1,
            _ => 2,
        }
    }
}

/// The URL without credentials, query and fragment, for messages.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs without a host, which cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string().chars().take(300).collect()
}
