//! Waits in tests. After the time limit the test fails with what is missing.

use std::{convert::Infallible, time::Duration};

/// Time limit of waits in a [`World`](super::World): enough on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Pause between two calls.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `look` until it returns something. After the time limit it fails and names `what`.
pub async fn until<T>(what: &str, limit: Duration, look: impl AsyncFn() -> Option<T>) -> T {
    let found = found(limit, look).await;
    found.unwrap_or_else(|| panic!("waited {limit:?} for {what}"))
}

/// Calls `look` until it returns something or the time limit is over.
pub(super) async fn found<T>(limit: Duration, look: impl AsyncFn() -> Option<T>) -> Option<T> {
    let looked = crate::wait::until(limit, PAUSE, || async {
        Ok::<_, Infallible>(look().await.ok_or_else(String::new))
    });
    looked.await.ok()?.ok()
}
