//! A build did not find the tree that a status says is ready: what pods report counts for more.

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;

use super::{
    controller::publish,
    lost::{TREE_LOST, is_about, pause},
    status::lost,
};
use crate::context::Context;

/// Takes back that a cache is ready, when a build that began then was given its present tree.
///
/// # Errors
/// Those of the API server.
pub async fn distrust(
    context: &Context,
    name: &str,
    tree: &str,
    began: Timestamp,
    why: &str,
) -> Result<(), kube::Error> {
    let reference = ObjectRef::new(name).within(&context.settings.namespace);
    let Some(stored) = context.stores.caches.get(&reference) else { return Ok(()) };
    let cache = context.recent_caches.newest(&stored);
    let old = cache.status.clone().unwrap_or_default();
    if !is_about(&old, tree, began) {
        return Ok(());
    }
    let now = context.now();
    tracing::warn!(cache = name, tree, why, "the tree of a cache is lost");
    let message = format!("a build did not find its tree: {why}");
    let new = lost(&old, cache.metadata.generation, (TREE_LOST, &message), pause(&old, now), now);
    publish(context, &cache, &new).await
}
