//! Runs long readings outside the worker threads of the runtime.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Runs a reading on its own thread, because parsing 30 MB takes a second and would block a worker
/// thread of the runtime. `None` if the process is stopped meanwhile.
pub async fn on_its_own_thread<T: Send + 'static, F: Future<Output = T>>(
    stop: CancellationToken,
    read: impl FnOnce() -> F + Send + 'static,
) -> Option<Result<T, String>> {
    let runtime = tokio::runtime::Handle::current();
    let reading =
        tokio::task::spawn_blocking(move || runtime.block_on(stop.run_until_cancelled(read())));
    match reading.await {
        Ok(read) => read.map(Ok),
        Err(_) => Some(Err("reading it failed inside this program".to_owned())),
    }
}
