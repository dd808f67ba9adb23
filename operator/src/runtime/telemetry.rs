//! Sets up logging: JSON lines on standard error. Called once by `main.rs`.

use tracing_subscriber::EnvFilter;

/// Starts logging at `filter` (for example `info,kube=warn`).
///
/// # Errors
/// When the filter is malformed or logging was started before.
pub fn start(filter: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(filter)?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init()
}
