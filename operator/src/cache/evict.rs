//! Deletes caches that no build uses and no Distribution pins. Called by each retention
//! sweep of the leader; the finalizer removes the trees.

use asu_core::cache::{CachePolicy, CacheUse, evict as choose};
use asu_crds::{ImageBuilderCache, condition};
use kube::{
    ResourceExt,
    api::{DeleteParams, Preconditions},
};

use super::dereference::observe;
use crate::{
    context::Context,
    runtime::patch::{is_conflict, is_not_found},
    settings::span,
};

/// Deletes the caches that are idle for too long, and the least recently used ones above the
/// maximum size.
///
/// # Errors
/// When a request to the API server fails.
pub async fn evict(context: &Context) -> Result<(), kube::Error> {
    let settings = &context.settings.caches;
    let policy = CachePolicy {
        max_idle: span(settings.cache_max_idle),
        max_bytes: settings.cache_max_bytes,
        ..CachePolicy::default()
    };
    let caches = context.stores.caches.state();
    let uses: Vec<CacheUse> =
        caches.iter().map(|cache| usage(context, &context.recent_caches.newest(cache))).collect();
    for name in choose(&uses, &policy, context.now()) {
        let Some(cache) = caches.iter().find(|cache| cache.name_any() == name) else { continue };
        if cache.metadata.deletion_timestamp.is_some() {
            continue;
        }
        tracing::info!(cache = name, "deleting an unused cache");
        let preconditions = Preconditions { uid: cache.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        match context.api::<ImageBuilderCache>().delete(&name, &params).await {
            Err(error) if !is_not_found(&error) && !is_conflict(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn usage(context: &Context, cache: &ImageBuilderCache) -> CacheUse {
    let observed = observe(context, cache);
    let status = cache.status.clone().unwrap_or_default();
    let created = cache.creation_timestamp().map(|time| time.0);
    // It may have taken long to fill, and those that it was filled for begin only now.
    let ready =
        condition(&status.conditions, "Ready").filter(|condition| condition.status == "True");
    let since = created.max(ready.map(|ready| ready.last_transition_time.0));
    let last = observed.last_used.max(since);
    CacheUse {
        name: cache.name_any(),
        pinned: cache.spec.pinned || cache.spec.suspend,
        users: observed.referrers.max(observed.mounted.len()),
        last_used: last.unwrap_or_else(|| context.now()),
        bytes: status.bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
    }
}
