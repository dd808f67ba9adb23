//! Downloads the tarball and verifies it: the signature of `sha256sums`, the plan's digest in
//! `sha256sums`, and the digest of the bytes. Called by `populate`; nothing is unpacked here.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use asu_core::{
    plan::PopulatePlan,
    populate_progress::{PopulateStep, Progress},
    result::is_plain_file_name,
};
use asu_upstream::{ClientOptions, Trust, Upstream, UsignPublicKey};
use url::Url;

use super::PopulateError;

/// Interval at which progress is printed.
const PROGRESS: Duration = Duration::from_secs(2);

/// Downloads the plan's tarball to `to`.
pub(super) async fn fetch(plan: &PopulatePlan, to: &Path) -> Result<(), PopulateError> {
    if !is_plain_file_name(&plan.file) {
        return Err(PopulateError::Plan("the name of the tarball is not a plain file name".into()));
    }
    let urls =
        plan.fetch_urls.iter().map(|url| Url::parse(url)).collect::<Result<Vec<_>, _>>().map_err(
            |error| {
                PopulateError::Plan(format!("a download URL in the plan is malformed: {error}"))
            },
        )?;
    let options = ClientOptions {
        download_timeout: Duration::from_secs(plan.seconds),
        ..ClientOptions::default()
    };
    let upstream = Upstream::new(urls, options)?;
    println!("{}", Progress::of(PopulateStep::Verifying).log_line());
    check_sums(&upstream, plan).await?;
    let path = format!("{}/{}", plan.target_path, plan.file);
    let mut last: Option<Instant> = None;
    let progress = |bytes: u64, of: Option<u64>| {
        if last.is_none_or(|last| last.elapsed() >= PROGRESS) {
            last = Some(Instant::now());
            let step = PopulateStep::Downloading;
            println!("{}", Progress { step, bytes: Some(bytes), of }.log_line());
        }
    };
    let limit = plan.max_download_bytes;
    let bytes =
        upstream.download_verified(&path, to, plan.sha256.digest(), limit, progress).await?;
    println!("populate: downloaded and verified {bytes} bytes");
    Ok(())
}

/// Checks that a mirror's signed `sha256sums` names the plan's digest.
async fn check_sums(upstream: &Upstream, plan: &PopulatePlan) -> Result<(), PopulateError> {
    let trust = if plan.keys.is_empty() {
        Trust::Unsigned
    } else {
        let keys = plan.keys.iter().map(|key| UsignPublicKey::parse(key)).collect::<Result<_, _>>();
        Trust::Keys(keys.map_err(PopulateError::Key)?)
    };
    upstream.check_listed(&plan.target_path, &trust, &plan.file, plan.sha256.digest()).await?;
    println!("populate: sha256sums lists the ImageBuilder");
    Ok(())
}
