//! Waits for a condition with a time limit. The error contains what was missing.

use std::future::Future;
use std::time::Duration;

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

impl<T> Look<T> {
    fn found(self) -> Result<T, String> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Missing(missing) => Err(missing),
        }
    }
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
    let found = crate::wait::until(limit, LOOK_AGAIN, || {
        let look = look();
        async { look.await.map(Look::found) }
    });
    found.await?.map_err(|missing| Error::Deadline { what: what.to_owned(), missing, after: limit })
}
