//! Waits for a condition with a time limit. The error contains what was missing.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Error;

/// Interval of the checks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Result of one check of a condition.
pub(super) enum Look<T> {
    /// The condition is true.
    Done(T),
    /// It is not true yet; this is missing.
    Missing(String),
}

/// Checks until the condition is true. An error of a check is returned at once.
pub(super) async fn until<T, F>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<Look<T>, Error>>,
{
    let started = Instant::now();
    loop {
        match look().await? {
            Look::Done(value) => return Ok(value),
            Look::Missing(missing) if started.elapsed() >= limit => {
                return Err(Error::Deadline { what: what.to_owned(), missing, after: limit });
            }
            Look::Missing(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
