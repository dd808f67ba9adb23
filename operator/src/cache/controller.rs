//! One pass over an ImageBuilderCache: observes, decides, acts and writes the status. Run by the
//! leader for each watch event and each requeue. Its rules are in the pure modules beside it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asu_crds::{CachePhase, CacheProgress, ImageBuilderCache, ImageBuilderCacheStatus, labels};
use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    apply,
    claim::claims,
    decide::{LINGER, Removal, decide, refused, removal},
    decision::{Cleanup, Decision},
    dereference::{Observed, ask_for_results, confirm_job, distribution, observe},
    fault::Fault,
    follow::follow,
    lost::{CLAIM_LOST, TREE_LOST},
    status::{CacheUsage, status},
    tries::expected_job,
    validate::{Validated, validate},
};
use crate::{
    context::Context,
    runtime::{
        patch::{set_finalizers, write_status},
        reconcile::requeue_at,
    },
};

/// Reasons that are reported by a warning event, besides those of failures.
const WARNED: [&str; 5] = ["NotStarted", "NoPod", "Suspended", CLAIM_LOST, TREE_LOST];
/// Requeue delay for changes that no watch reports.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Carries out the next step of one cache.
///
/// # Errors
/// A [`Fault`]; the pass is repeated after a pause.
pub async fn reconcile(
    stored: Arc<ImageBuilderCache>,
    context: Arc<Context>,
) -> Result<Action, Fault> {
    let cache = context.recent_caches.newest(&stored);
    let found = distribution(&context, &cache);
    let valid = validate(&cache, found.as_deref(), &context.settings)?;
    let mut observed = observe(&context, &cache);
    observed.claims = claims(&context, &cache, &valid).await?;
    if cache.meta().deletion_timestamp.is_some() {
        return remove(&cache, &valid, &observed, &context).await;
    }
    if !cache.finalizers().iter().any(|finalizer| finalizer == labels::VOLUME_FINALIZER) {
        set_finalizer(&cache, &context, true).await?;
    }
    let now = context.now();
    let (name, uid) = (cache.name_any(), cache.uid().unwrap_or_default());
    observed.switched = context.cache_switches.is_fresh(&uid, LINGER);
    let old = cache.status.clone().unwrap_or_default();
    if old.place.as_ref() != Some(&valid.place) {
        let expected = expected_job(&name, &uid, &valid, &old);
        confirm_job(&context, &cache, &expected, &mut observed).await?;
        ask_for_results(&context, &cache, &mut observed).await?;
    }
    let decision = decide(&name, &uid, &valid, &old, &observed, now);
    let decision = match (act(&context, &cache, &valid, &decision).await, decision) {
        (Ok(()), decision) => decision,
        (Err(fault), Decision::Populate { job, .. }) if fault.is_refusal() => {
            refused(&job, old.failures.unwrap_or_default(), fault.to_string(), now)
        }
        (Err(fault), _) => return Err(fault),
    };
    let usage = CacheUsage {
        users: u32::try_from(observed.users).unwrap_or(u32::MAX),
        last_used: observed.last_used,
    };
    let interval = context.settings.caches.cache_use_interval;
    let due = context.cache_use.due(&uid, usage != CacheUsage::of(&old), interval);
    let written = due.is_ok().then_some(usage);
    let generation = cache.metadata.generation;
    let mut new = status(&old, generation, &valid, &decision, written, now);
    if matches!(decision, Decision::Done { .. } | Decision::Ready { .. }) {
        new.claim_uid = observed.claims.wanted.uid().cloned();
    }
    if matches!(decision, Decision::Done { .. }) {
        context.cache_switches.note(&uid);
    }
    new.progress = progress(&context, &cache, &decision);
    publish(&context, &cache, &new).await?;
    Ok(again(&decision, due.err().unwrap_or(interval), now))
}

/// The progress of the populate pod, if one is running.
fn progress(
    context: &Arc<Context>,
    cache: &ImageBuilderCache,
    decision: &Decision,
) -> Option<CacheProgress> {
    let uid = cache.uid().unwrap_or_default();
    if !matches!(decision, Decision::Populating { trouble: None, .. }) {
        context.cache_progress.forget(&uid);
        return None;
    }
    follow(context, cache);
    context.cache_progress.shown(&uid, Instant::now())
}

/// The requeue delay after a pass, if no watch event comes first.
fn again(decision: &Decision, usual: Duration, now: Timestamp) -> Action {
    match decision {
        Decision::Waiting { until } => requeue_at(*until, now),
        Decision::Failed { retry_at, .. } => requeue_at(*retry_at, now),
        Decision::Done { .. }
        | Decision::Clearing { .. }
        | Decision::Populating { .. }
        | Decision::ClaimGoing { .. }
        | Decision::Lost { .. } => Action::requeue(LOOK_AGAIN),
        Decision::Ready { again: Some(again), .. } => requeue_at(now + *again, now),
        Decision::Orphaned => Action::await_change(),
        Decision::Ready { again: None, .. } | Decision::Suspended | Decision::Populate { .. } => {
            Action::requeue(usual)
        }
    }
}

async fn act(
    context: &Context,
    cache: &ImageBuilderCache,
    valid: &Validated,
    decision: &Decision,
) -> Result<(), Fault> {
    match decision {
        Decision::Populate { job, replaces } => {
            apply::populate(context, cache, valid, job, replaces.as_deref()).await
        }
        Decision::Failed { job, .. } => Ok(apply::delete_job(context, job).await?),
        Decision::ClaimGoing { drop: Some(claim), .. } => {
            Ok(apply::delete_claim(context, claim).await?)
        }
        Decision::Clearing { jobs } | Decision::Lost { jobs, .. } => {
            for job in jobs {
                apply::delete_job(context, job).await?;
            }
            Ok(())
        }
        Decision::Ready { tidy, .. } => {
            for item in tidy {
                match item {
                    Cleanup::DeleteJob(job) => apply::delete_job(context, job).await?,
                    Cleanup::PruneTree { tree } => {
                        apply::prune(context, cache, valid, tree).await?;
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Writes the status if it differs, with an event when its reason is new.
pub(super) async fn publish(
    context: &Context,
    cache: &ImageBuilderCache,
    new: &ImageBuilderCacheStatus,
) -> Result<(), kube::Error> {
    let old = cache.status.as_ref();
    let api = context.api::<ImageBuilderCache>();
    let manager = labels::CACHE_MANAGER;
    let Some(written) = write_status(&api, &cache.name_any(), manager, old, new).await? else {
        return Ok(());
    };
    context.recent_caches.record(written);
    let said = |status: &ImageBuilderCacheStatus| (status.phase, status.reason.clone());
    if old.map(said) != Some(said(new)) {
        let reason = new.reason.as_deref().unwrap_or_default();
        let message = new.message.as_deref().unwrap_or_default();
        let on = cache.object_ref(&());
        let warned = new.phase == Some(CachePhase::Populating) && WARNED.contains(&reason);
        if new.phase == Some(CachePhase::Failed) || warned {
            context.events.warning(&on, reason, message).await;
        } else {
            context.events.normal(&on, reason, message).await;
        }
    }
    Ok(())
}

async fn remove(
    cache: &ImageBuilderCache,
    valid: &Validated,
    observed: &Observed,
    context: &Context,
) -> Result<Action, Fault> {
    if !cache.finalizers().iter().any(|finalizer| finalizer == labels::VOLUME_FINALIZER) {
        return Ok(Action::await_change());
    }
    let there = observed.claims.wanted.uid().is_some();
    match removal(valid, observed, there, context.now()) {
        Removal::InUse | Removal::Pruning => {}
        Removal::StopJobs(jobs) => {
            for job in jobs {
                apply::delete_job(context, &job).await?;
            }
        }
        Removal::PruneFolder { folder, failed: None } => {
            apply::prune(context, cache, valid, &folder).await?;
        }
        Removal::PruneFolder { failed: Some(job), .. } => {
            context
                .events
                .warning(
                    &cache.object_ref(&()),
                    "PruneFailed",
                    "the trees of the cache could not be deleted",
                )
                .await;
            apply::delete_job(context, &job).await?;
            return Ok(Action::await_change());
        }
        Removal::RemoveFinalizer { own_claim } => {
            if own_claim {
                apply::delete_claim(context, &valid.place.claim_name).await?;
            }
            set_finalizer(cache, context, false).await?;
            return Ok(Action::await_change());
        }
    }
    Ok(Action::requeue(LOOK_AGAIN))
}

async fn set_finalizer(
    cache: &ImageBuilderCache,
    context: &Context,
    present: bool,
) -> Result<(), kube::Error> {
    let mut finalizers = cache.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != labels::VOLUME_FINALIZER);
    if present {
        finalizers.push(labels::VOLUME_FINALIZER.to_owned());
    }
    let version = cache.resource_version();
    let api = context.api::<ImageBuilderCache>();
    let written = set_finalizers(&api, &cache.name_any(), version.as_deref(), &finalizers).await?;
    context.recent_caches.record(written);
    Ok(())
}
