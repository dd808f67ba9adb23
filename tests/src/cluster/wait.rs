//! Waiting for a condition, with a deadline that tells what was missing.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Error;

/// How often a condition is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One look at a condition.
pub(super) enum Look<T> {
    /// It came true.
    Done(T),
    /// Not yet, and what is missing.
    Missing(String),
}

/// Looks until the condition is true. An error of a look ends the waiting at once.
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
