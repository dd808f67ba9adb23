//! Downloads the tarball and checks it: signature over `sha256sums`, `sha256sums` over the digest
//! of the plan, the digest over the bytes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use asu_core::{plan::PopulatePlan, result::is_plain_file_name};
use asu_upstream::{ClientOptions, Upstream, UsignPublicKey, signature, sums::Sums};
use url::Url;

use super::PopulateError;

/// Largest `sha256sums`: the largest target lists about 10,000 files of 150 bytes.
const MAX_SUMS: u64 = 16 << 20;
/// Largest signature.
const MAX_SIGNATURE: u64 = 4096;
/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(2);

/// Downloads the plan's tarball to `to`.
pub(super) async fn fetch(plan: &PopulatePlan, to: &Path) -> Result<(), PopulateError> {
    if !is_plain_file_name(&plan.file) {
        return Err(PopulateError::Plan("the tarball's name is not plain".into()));
    }
    let urls = plan
        .fetch_urls
        .iter()
        .map(|url| Url::parse(url))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| PopulateError::Plan(format!("a fetch URL: {error}")))?;
    let options = ClientOptions {
        download_timeout: Duration::from_secs(plan.seconds),
        ..ClientOptions::default()
    };
    let upstream = Upstream::new(urls, options)?;
    check_sums(&upstream, plan).await?;
    let path = format!("{}/{}", plan.target_path, plan.file);
    let mut last: Option<Instant> = None;
    let progress = |bytes: u64, of: Option<u64>| {
        if last.is_none_or(|last| last.elapsed() >= PROGRESS) {
            last = Some(Instant::now());
            let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
            println!("populate: downloaded {bytes}{of} bytes");
        }
    };
    let limit = plan.max_download_bytes;
    let bytes = upstream.download_verified(&path, to, &plan.sha256, limit, progress).await?;
    println!("populate: downloaded and verified {bytes} bytes");
    Ok(())
}

async fn check_sums(upstream: &Upstream, plan: &PopulatePlan) -> Result<(), PopulateError> {
    let path = format!("{}/sha256sums", plan.target_path);
    let document = upstream.document(&path, MAX_SUMS).await?;
    if !plan.keys.is_empty() {
        let keys = plan
            .keys
            .iter()
            .map(|key| UsignPublicKey::parse(key))
            .collect::<Result<Vec<_>, _>>()
            .map_err(PopulateError::Key)?;
        let signed = upstream.document(&format!("{path}.sig"), MAX_SIGNATURE).await?;
        let text = String::from_utf8_lossy(&signed.bytes);
        let key =
            signature::verify(&keys, &document.bytes, &text).map_err(PopulateError::Signature)?;
        println!("populate: sha256sums is signed by {key}");
    }
    let sums =
        Sums::parse(&document.bytes).map_err(|error| PopulateError::Sums(error.to_string()))?;
    match sums.digest_of(&plan.file) {
        Ok(Some(digest)) if *digest == plan.sha256 => Ok(()),
        Ok(Some(digest)) => Err(PopulateError::Sums(format!(
            "{} has the digest {digest} there, {} was expected",
            plan.file, plan.sha256
        ))),
        Ok(None) => Err(PopulateError::Sums(format!("{} is not listed", plan.file))),
        Err(error) => Err(PopulateError::Sums(error.to_string())),
    }
}
