//! Waiting in tests: for something that comes, or the test fails saying what did not.

use std::{convert::Infallible, time::Duration};

/// Everything that is waited for comes within this time, also on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something; fails at the time limit, saying what was missing.
pub async fn until<T>(what: &str, limit: Duration, look: impl AsyncFn() -> Option<T>) -> T {
    let found = found(limit, look).await;
    found.unwrap_or_else(|| panic!("waited {limit:?} for {what}"))
}

/// Looks until there is something or the time is over.
pub(super) async fn found<T>(limit: Duration, look: impl AsyncFn() -> Option<T>) -> Option<T> {
    let looked = crate::wait::until(limit, PAUSE, || async {
        Ok::<_, Infallible>(look().await.ok_or_else(String::new))
    });
    looked.await.ok()?.ok()
}
