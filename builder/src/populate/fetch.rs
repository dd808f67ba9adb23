//! Downloads the tarball and checks it: signature over `sha256sums`, `sha256sums` over the digest
//! of the plan, the digest over the bytes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use asu_core::{plan::PopulatePlan, result::is_plain_file_name};
use asu_upstream::{ClientOptions, Trust, Upstream, UsignPublicKey};
use url::Url;

use super::PopulateError;

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

/// The plan's digest is the one that a mirror's signed list names.
async fn check_sums(upstream: &Upstream, plan: &PopulatePlan) -> Result<(), PopulateError> {
    let trust = if plan.keys.is_empty() {
        Trust::Unsigned
    } else {
        let keys = plan.keys.iter().map(|key| UsignPublicKey::parse(key)).collect::<Result<_, _>>();
        Trust::Keys(keys.map_err(PopulateError::Key)?)
    };
    upstream.check_listed(&plan.target_path, &trust, &plan.file, &plan.sha256).await?;
    println!("populate: sha256sums lists the ImageBuilder");
    Ok(())
}
