//! Handles the report that a pod did not find a tree that the status says is ready: the report
//! takes precedence. Called by the controller of builds.

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;

use super::{
    controller::publish,
    lost::{TREE_LOST, is_about, pause},
    status::lost,
};
use crate::context::Context;

/// Sets a cache to not ready, unless the tree was made after the build began.
///
/// # Errors
/// When a request to the API server fails.
pub async fn report_lost_tree(
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
    let message = format!("a build did not find the tree: {why}");
    let new = lost(&old, cache.metadata.generation, (TREE_LOST, &message), pause(&old, now), now);
    publish(context, &cache, &new).await
}
