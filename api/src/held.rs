//! Values that are read from a dependency at their first use and then kept in memory. Used for documents of
//! upstream and statistics.

use std::hash::Hash;

use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// Returns a value from memory, or makes it. Concurrent requests for the same value make it once, and each of
/// them needs a permit of `places` while it waits.
///
/// # Errors
/// [`ApiError::Busy`] if too many requests wait, or why the value cannot be made.
pub async fn held_or<K, V>(
    held: &Cache<K, V>,
    key: K,
    places: &Semaphore,
    make: impl Future<Output = Result<V, ApiError>>,
) -> Result<V, ApiError>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    if let Some(value) = held.get(&key).await {
        return Ok(value);
    }
    let _place = places.try_acquire().map_err(|_| ApiError::Busy)?;
    held.try_get_with(key, make).await.map_err(|error| (*error).clone())
}
