//! The loop behind every wait of the harness: looks again until there is something or the time is over.
//! What is missing is said by whoever calls it.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Looks every `pause` until there is something. `look` says what is missing until then, and the last
/// of that is returned at the time limit.
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
