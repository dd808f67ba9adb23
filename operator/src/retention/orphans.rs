//! Deletes orphans in the artifact store: files of build keys that no build has, and uploads,
//! results and logs of builds without a record. Called by each sweep.

use std::collections::{BTreeMap, BTreeSet};

use asu_artifacts::ArtifactError;
use asu_core::{
    build_key::BuildKey,
    retention::{Holdings, orphans},
};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{SweepError, finish, is_older, span};
use crate::context::Context;

/// Folders whose objects are named by the uid of their build.
const BY_UID: [&str; 3] = ["uploads", "results", "logs"];
/// Maximum number of builds that one query asks for.
const BATCH: usize = 1000;

/// One sweep over the store. The holdings may be outdated, so the database confirms each deletion.
pub(super) async fn sweep(
    context: &Context,
    holdings: &Holdings,
    now: Timestamp,
    epoch: i64,
) -> Result<(), SweepError> {
    let age = span(context.settings.retention.retention_orphans);
    for key in orphans(&folders(context).await?, holdings) {
        if !is_older(context, &key, now, age).await? {
            continue;
        }
        if context.database.claim_orphan(&key, now, epoch).await? {
            tracing::info!(build_key = %key, "deleted files without a record");
            finish(context, &key, &[], epoch).await?;
        }
    }
    for folder in BY_UID {
        by_uid(context, folder, now, age).await?;
    }
    let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let files = context.artifacts.remove_unfinished(before).await?;
    if files > 0 {
        tracing::info!(files, "deleted temporary files of killed processes");
    }
    Ok(())
}

async fn folders(context: &Context) -> Result<BTreeSet<BuildKey>, ArtifactError> {
    let mut objects = context.artifacts.list_prefix("artifacts")?;
    let mut found = BTreeSet::new();
    while let Some(object) = objects.try_next().await? {
        found.extend(object.key.split('/').nth(1).and_then(|key| key.parse::<BuildKey>().ok()));
    }
    Ok(found)
}

/// Deletes what builds left in a folder that have neither an object nor a record. The files of
/// recorded builds are deleted by the rest of retention, except for unfinished uploads.
async fn by_uid(
    context: &Context,
    folder: &str,
    now: Timestamp,
    age: SignedDuration,
) -> Result<(), SweepError> {
    let mut objects = context.artifacts.list_prefix(folder)?;
    let mut old: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(object) = objects.try_next().await? {
        let name = object.key.split('/').nth(1).unwrap_or_default();
        // `<uid>.json`, `<uid>.<attempt>.zst`, `<uid>.<attempt>/file`.
        let uid = name.split('.').next().unwrap_or_default().to_owned();
        if now.duration_since(object.modified) >= age {
            old.entry(uid).or_default().push(object.key);
        }
    }
    for build in context.stores.builds.state() {
        old.remove(&build.uid().unwrap_or_default());
    }
    let uids: Vec<String> = old.keys().cloned().collect();
    for batch in uids.chunks(BATCH) {
        let recorded = context.database.archived_uids(batch).await?;
        let kept = |uid: &String| folder != "uploads" && recorded.contains(uid);
        for uid in batch.iter().filter(|uid| !kept(uid)) {
            for key in old.get(uid).into_iter().flatten() {
                tracing::info!(key, "deleted a file that belongs to no build");
                context.artifacts.delete(key).await?;
            }
        }
    }
    Ok(())
}
