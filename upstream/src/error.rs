//! What can go wrong between us and a download server.

use std::io;
use std::path::PathBuf;

use asu_core::digest::Digest;
use url::Url;

use crate::signature::SignatureError;

/// A document is not what its name promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {detail}")]
pub struct ParseError {
    /// The kind of document, for example `profiles.json`.
    pub what: &'static str,
    /// What is wrong.
    pub detail: String,
}

impl ParseError {
    /// An error about the document `what`; the detail is cut to 200 characters.
    pub fn new(what: &'static str, detail: impl AsRef<str>) -> Self {
        Self { what, detail: detail.as_ref().chars().take(200).collect() }
    }

    /// The same with the address it came from.
    pub fn at(self, url: &Url) -> UpstreamError {
        let Self { what, detail } = self;
        UpstreamError::Malformed { url: shown(url), what, detail }
    }
}

/// What can go wrong between us and a download server. Addresses never carry credentials.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A base URL or a path is not one that we ask for.
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
    /// The server is away or refuses for now: network, time-out, or a status that passes.
    #[error("{url} is unavailable: {detail}")]
    Unavailable {
        /// The address.
        url: String,
        /// Status or network error.
        detail: String,
    },
    /// The file is not there, on any mirror.
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
        /// Most bytes.
        limit: u64,
    },
    /// The connection ended or fell silent in the middle of the body: what there is of it says
    /// nothing about what the server has.
    #[error("{url} {how} after {received} of {expected} bytes")]
    BrokenOff {
        /// The address.
        url: String,
        /// `broke off` or `fell silent`.
        how: &'static str,
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced, or `?`.
        expected: String,
    },
    /// The document is not what its name promises.
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
    /// The document is signed, and says of itself that it is another than the one asked for.
    #[error("{url} says of itself that it is of {said}, asked for {asked}")]
    AnotherDocument {
        /// The address.
        url: String,
        /// Version, target or architecture that it names.
        said: String,
        /// That which was asked for.
        asked: String,
    },
    /// What is rebuilt under one name is of an older revision than the one that is offered: its
    /// signature stays good for ever.
    #[error("{url} went back from revision {offered} to {said}")]
    OlderRevision {
        /// The address.
        url: String,
        /// Revision of the document.
        said: String,
        /// Revision that is offered.
        offered: String,
    },
    /// The content has another digest than the signed list says.
    #[error("{url} has the sha256 {actual}, expected {expected}")]
    BadChecksum {
        /// The address.
        url: String,
        /// From the signed list.
        expected: Digest,
        /// Of what came.
        actual: Digest,
    },
    /// A file of ours could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl UpstreamError {
    /// One word of a closed set, for conditions and metrics.
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
            Self::Write { .. } => "WriteFailed",
        }
    }

    /// Whether asking the same server again soon may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::BrokenOff { .. })
    }

    /// Whether another mirror may have something better.
    pub(crate) fn is_mirrors_fault(&self) -> bool {
        !matches!(self, Self::BadAddress { .. } | Self::Setup { .. } | Self::Write { .. })
    }

    /// Whether a mirror has something else than it should have.
    pub(crate) fn is_wrong_content(&self) -> bool {
        self.is_mirrors_fault() && self.weight() >= 2
    }

    /// Of the errors of several mirrors the one that says most: a mirror that lacks the file says
    /// less than one that is away, and that less than one with wrong content.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 0,
            Self::Unavailable { .. } | Self::BrokenOff { .. } => 1,
            _ => 2,
        }
    }
}

/// An address without credentials, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string().chars().take(300).collect()
}
