//! The loop of every wait in the harness, with a time limit. Its callers write the error messages.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Calls `look` until it returns something, with a pause after each call. Until then it returns what is
/// missing; after the time limit its last answer is returned.
///
/// # Errors
/// An error of `look`, at once.
pub async fn until<T, E, F>(
    limit: Duration,
    pause: Duration,
    mut look: impl FnMut() -> F,
) -> Result<Result<T, String>, E>
where
    F: Future<Output = Result<Result<T, String>, E>>,
{
    let started = Instant::now();
    loop {
        match look().await? {
            Ok(found) => return Ok(Ok(found)),
            Err(missing) if started.elapsed() >= limit => return Ok(Err(missing)),
            Err(_) => tokio::time::sleep(pause).await,
        }
    }
}
