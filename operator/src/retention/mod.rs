//! Retention: deletes expired files, makes room when the artifact store fills up, and stops
//! admission when it is nearly full. Run by the leader as a periodic task. Every step may be
//! interrupted: a deletion is marked in the database first and finished by a later sweep.

pub mod admission;
mod orphans;
pub mod pause;

use std::{sync::Arc, time::Duration};

use asu_artifacts::ArtifactError;
use asu_core::{
    build_key::BuildKey,
    retention::{Deletion, RetentionPlan, RetentionPolicy, plan},
};
use asu_store::StoreError;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::{
    cache,
    context::Context,
    settings::{Settings, span},
};

/// Maximum number of history rows that one statement deletes.
const ROWS: u32 = 1000;

/// How long a document of upstream is kept that nothing refers to: longer than any reading takes, which
/// writes documents before the catalog that refers to them.
const UNUSED_DOCUMENTS: SignedDuration = SignedDuration::from_hours(24);

/// How long the statistics of single days are kept. Totals are kept for ever.
const STATISTICS: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Time between two sweeps while the store is too full, because builds wait for room.
const PAUSED_INTERVAL: Duration = Duration::from_secs(15);

/// The error of a failed sweep; the next one continues.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact store.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// The API server.
    #[error("request to the API server failed: {0}")]
    Kube(#[from] kube::Error),
}

/// Runs sweeps until leading ends.
pub async fn run(context: Arc<Context>) {
    let interval = context.settings.retention_interval;
    loop {
        match context.stop.run_until_cancelled(Box::pin(sweep(&context))).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(SweepError::Store(error))) if error.ends_leading() => {
                tracing::error!(%error, "a newer leader has taken over");
                context.stop.cancel();
                return;
            }
            Some(Err(error)) => tracing::warn!(%error, "retention failed, retrying"),
        }
        let paused = context.admission.is_paused();
        let pause =
            tokio::time::sleep(if paused { interval.min(PAUSED_INTERVAL) } else { interval });
        if context.stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// One sweep. The fill level of the store is checked first, because that must not depend on the
/// database.
///
/// # Errors
/// What interrupted the sweep.
pub async fn sweep(context: &Context) -> Result<(), SweepError> {
    let policy = policy(&context.settings);
    let space = admission::look(context, &policy).await?;
    cache::evict(context).await?;
    let epoch = context.epoch()?;
    let database = &context.database;
    database.fold_served(epoch).await?;
    database.fold_clients(epoch).await?;
    for (key, objects) in database.unfinished_deletions().await? {
        finish(context, &key, &objects, epoch).await?;
    }
    let now = context.now();
    let holdings = database.retention_rows().await?;
    context.admission.record(&holdings);
    let plan = plan(&holdings, space, &policy, now);
    let untouched = span(context.settings.retention.retention_spare);
    for deletion in &plan.expired {
        delete_files(context, deletion, untouched, now, epoch).await?;
    }
    for deletion in &plan.evicted {
        delete_files(context, deletion, untouched.min(policy.minimum_age), now, epoch).await?;
    }
    delete_logs(context, &plan, now, epoch).await?;
    // Before the orphans: waiting builds depend only on the deletions above.
    admission::look(context, &policy).await?;
    orphans::sweep(context, &holdings, now, epoch).await?;
    let history = span(context.settings.retention.history);
    let before = now.checked_sub(history).unwrap_or(Timestamp::MIN);
    database.delete_expired(before, ROWS, epoch).await?;
    let days = now.checked_sub(STATISTICS).unwrap_or(Timestamp::MIN);
    database.delete_old_statistics(days, epoch).await?;
    let unused = now.checked_sub(UNUSED_DOCUMENTS).unwrap_or(Timestamp::MIN);
    let documents = database.delete_unused_documents(unused, epoch).await?;
    if documents > 0 {
        tracing::info!(documents, "deleted documents that no catalog refers to");
    }
    Ok(())
}

/// The retention policy from the settings.
pub fn policy(settings: &Settings) -> RetentionPolicy {
    RetentionPolicy {
        grace: span(settings.retention.retention_grace),
        high_water_percent: settings.store.store_high_water,
        low_water_percent: settings.store.store_low_water,
        pause_percent: settings.store.store_pause,
        minimum_age: span(settings.store.store_min_age),
        ..RetentionPolicy::default()
    }
}

async fn delete_files(
    context: &Context,
    deletion: &Deletion,
    untouched: SignedDuration,
    now: Timestamp,
    epoch: i64,
) -> Result<(), SweepError> {
    if !is_older(context, &deletion.build_key, now, untouched).await? {
        return Ok(());
    }
    let begun = context.database.begin_files_deletion(deletion, now, epoch).await?;
    // A build that is kept longer has come to use them.
    let Some(objects) = begun else { return Ok(()) };
    finish(context, &deletion.build_key, &objects, epoch).await?;
    tracing::info!(build_key = %deletion.build_key, bytes = deletion.bytes, "deleted the files of a build key");
    context.metrics.deleted(deletion.bytes);
    Ok(())
}

/// Deletes the known objects of a build key and everything else in its folder.
async fn finish(
    context: &Context,
    key: &BuildKey,
    objects: &[String],
    epoch: i64,
) -> Result<(), SweepError> {
    for object in objects {
        context.artifacts.delete(object).await?;
    }
    let mut left = context.artifacts.list_prefix(&folder(key))?;
    while let Some(object) = left.try_next().await? {
        context.artifacts.delete(&object.key).await?;
    }
    Ok(context.database.mark_files_deleted(key, epoch).await?)
}

fn folder(key: &BuildKey) -> String {
    format!("artifacts/{key}")
}

/// Whether no file of a build key was written within the given age. A build writes its files, or
/// writes existing ones again, before its record exists.
async fn is_older(
    context: &Context,
    key: &BuildKey,
    now: Timestamp,
    age: SignedDuration,
) -> Result<bool, ArtifactError> {
    let mut objects = context.artifacts.list_prefix(&folder(key))?;
    while let Some(object) = objects.try_next().await? {
        if now.duration_since(object.modified) < age {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn delete_logs(
    context: &Context,
    plan: &RetentionPlan,
    now: Timestamp,
    epoch: i64,
) -> Result<(), SweepError> {
    if plan.logs.is_empty() {
        return Ok(());
    }
    for deletion in context.database.log_objects(&plan.logs).await? {
        for object in &deletion.object_keys {
            context.artifacts.delete(object).await?;
        }
    }
    Ok(context.database.mark_logs_deleted(&plan.logs, now, epoch).await?)
}
