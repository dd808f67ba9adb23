//! Downloads one large file with a known digest, and continues a download that was interrupted.
//! Called by the builder's `populate`.

use std::io;
use std::path::Path;

use asu_core::digest::Digest;
use reqwest::header::{IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use url::Url;

use crate::client::{Upstream, accepted, exchange, receive};
use crate::error::{UpstreamError, shown};
use crate::partial::{self, Kept};

impl Upstream {
    /// Downloads the file at `path` below a mirror to `dest_file`, at most `max_bytes`, and returns
    /// its length. The file is hashed while it is written, and synced. A digest other than
    /// `expected` is an error.
    ///
    /// If the connection breaks off, the received part stays in `dest_file`, with a note beside it,
    /// and this or a later call continues it at any mirror, if the server still has the same file.
    /// The note also remains after success, so that a complete file is not downloaded again. After
    /// any other error nothing is left.
    ///
    /// `progress` is called with the bytes so far, and the length of the whole if it is known; it
    /// goes back when a download begins again.
    pub async fn download_verified(
        &self,
        path: &str,
        dest_file: &Path,
        expected: &Digest,
        max_bytes: u64,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<u64, UpstreamError> {
        let wanted = Wanted { dest_file, expected, max_bytes };
        let downloaded = self
            .on_any_mirror(path, async |url| self.download_once(&url, wanted, &mut progress).await)
            .await;
        if let Err(error) = &downloaded
            && !(error.is_transient() && partial::is_useful(dest_file).await)
        {
            partial::discard(dest_file).await;
        }
        downloaded
    }

    async fn download_once(
        &self,
        url: &Url,
        wanted: Wanted<'_>,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<u64, UpstreamError> {
        let kept = partial::find(wanted.dest_file, wanted.expected, wanted.max_bytes).await;
        if let Some(kept) = kept
            && let Some(length) = self.continue_download(url, wanted, kept, progress).await?
        {
            return Ok(length);
        }
        let response = exchange(self.download_request(url), url).await?;
        whole(response, url, wanted, progress).await
    }

    /// Continues a download. `None` if the kept part is of no use, so that it has to begin again.
    async fn continue_download(
        &self,
        url: &Url,
        wanted: Wanted<'_>,
        kept: Kept,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<Option<u64>, UpstreamError> {
        let Some(validator) = &kept.validator else {
            progress(kept.length, Some(kept.length));
            return Ok(
                (Digest::from_hasher(kept.hasher) == *wanted.expected).then_some(kept.length)
            );
        };
        let request = self.download_request(url).header(IF_RANGE, validator);
        let request = request.header(RANGE, format!("bytes={}-", kept.length));
        let response = exchange(request, url).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if kept.is_continued_by(&response, wanted.max_bytes) => {}
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
            // The server ignores ranges, or it has another file now.
            _ => return whole(response, url, wanted, progress).await.map(Some),
        }
        let opened = File::options().append(true).open(wanted.dest_file).await;
        let file = opened.map_err(wanted.failed())?;
        let part = Part { file, hasher: kept.hasher, length: kept.length };
        match part.fill(response, url, wanted, progress).await {
            // The kept part may be damaged, for example because its node lost power.
            Err(UpstreamError::BadChecksum { .. }) => Ok(None),
            filled => filled.map(Some),
        }
    }
}

/// Writes a response that contains the whole file.
async fn whole(
    response: Response,
    url: &Url,
    wanted: Wanted<'_>,
    progress: &mut impl FnMut(u64, Option<u64>),
) -> Result<u64, UpstreamError> {
    let response = accepted(response, url)?;
    if response.status() != StatusCode::OK {
        let detail = "it answers 304 to a request without condition".to_owned();
        return Err(UpstreamError::Unavailable { url: shown(url), detail });
    }
    // The former file is removed before the note changes, so that no note is about another file.
    partial::discard(wanted.dest_file).await;
    let noted = partial::begin(wanted.dest_file, wanted.expected, &response).await;
    noted.map_err(wanted.failed())?;
    let file = File::create(wanted.dest_file).await.map_err(wanted.failed())?;
    let part = Part { file, hasher: Sha256::new(), length: 0 };
    part.fill(response, url, wanted, progress).await
}

/// Parameters of one download attempt.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    dest_file: &'a Path,
    expected: &'a Digest,
    max_bytes: u64,
}

impl Wanted<'_> {
    fn failed(self) -> impl Fn(io::Error) -> UpstreamError {
        move |source| UpstreamError::Write { path: self.dest_file.into(), source }
    }
}

/// A file that is being written.
struct Part {
    file: File,
    hasher: Sha256,
    length: u64,
}

impl Part {
    /// Appends the body of a response, and checks the digest of the whole file.
    async fn fill(
        self,
        response: Response,
        url: &Url,
        wanted: Wanted<'_>,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<u64, UpstreamError> {
        let Self { file, mut hasher, length: kept } = self;
        let mut file = BufWriter::with_capacity(256 << 10, file);
        let mut length = kept;
        let limit = wanted.max_bytes.saturating_sub(kept);
        let received = receive(response, url, limit, async |piece, announced| {
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(wanted.failed())?;
            length = length.saturating_add(piece.len() as u64);
            progress(length, announced.map(|announced| kept.saturating_add(announced)));
            Ok(())
        })
        .await;
        // Also the part of an interrupted download is written, to be continued.
        let flushed = file.flush().await.map_err(wanted.failed());
        received?;
        flushed?;
        let actual = Digest::from_hasher(hasher);
        if actual != *wanted.expected {
            let expected = *wanted.expected;
            return Err(UpstreamError::BadChecksum { url: shown(url), expected, actual });
        }
        file.get_ref().sync_all().await.map_err(wanted.failed())?;
        let noted = partial::finish(wanted.dest_file, wanted.expected, length).await;
        noted.map_err(wanted.failed())?;
        Ok(length)
    }
}
