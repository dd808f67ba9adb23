//! Downloads one large file with a known digest. Called by the builder's `populate`.

use std::io;
use std::path::Path;

use asu_core::digest::Digest;
use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use url::Url;

use crate::client::{Upstream, receive, send};
use crate::error::{UpstreamError, shown};

impl Upstream {
    /// Downloads the file at `path` below a mirror to `dest_file`, at most `max_bytes`, and returns
    /// its length. The file is hashed while it is written, and synced. A digest other than
    /// `expected` is an error. After any error the file is removed.
    ///
    /// `progress` is called with the bytes so far and the `Content-Length`; it starts again at zero
    /// with every mirror that is tried.
    pub async fn download_verified(
        &self,
        path: &str,
        dest_file: &Path,
        expected: &Digest,
        max_bytes: u64,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<u64, UpstreamError> {
        let downloaded = self
            .on_any_mirror(path, async |url| {
                let want = Wanted { dest_file, expected, max_bytes };
                self.download_once(&url, want, &mut progress).await
            })
            .await;
        if downloaded.is_err() {
            // Fails when no file was created, which is fine.
            let _ = tokio::fs::remove_file(dest_file).await;
        }
        downloaded
    }

    async fn download_once(
        &self,
        url: &Url,
        wanted: Wanted<'_>,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<u64, UpstreamError> {
        let Wanted { dest_file, expected, max_bytes } = wanted;
        let failed = |source: io::Error| UpstreamError::Write { path: dest_file.into(), source };
        let response = send(self.download_request(url), url).await?;
        if response.status() != StatusCode::OK {
            let detail = "it answers 304 to a request without condition".to_owned();
            return Err(UpstreamError::Unavailable { url: shown(url), detail });
        }
        let file = File::create(dest_file).await.map_err(failed)?;
        let mut file = BufWriter::with_capacity(256 << 10, file);
        let mut hasher = Sha256::new();
        let mut written: u64 = 0;
        let received = receive(response, url, max_bytes, async |piece, announced| {
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(failed)?;
            written = written.saturating_add(piece.len() as u64);
            progress(written, announced);
            Ok(())
        })
        .await?;
        file.flush().await.map_err(failed)?;
        let actual = Digest::from_hasher(hasher);
        if actual != *expected {
            let expected = *expected;
            return Err(UpstreamError::BadChecksum { url: shown(url), expected, actual });
        }
        file.get_ref().sync_all().await.map_err(failed)?;
        Ok(received)
    }
}

/// Parameters of one download attempt.
struct Wanted<'a> {
    dest_file: &'a Path,
    expected: &'a Digest,
    max_bytes: u64,
}
