//! The fixture's download server, as tests without a runtime use it.

use asu_tests::fixtures::{Faults, Logged, Upstream};

/// Runs a future to its end.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Makes the server fail as `faults` says.
pub(crate) fn fail(upstream: &Upstream, faults: &Faults) {
    block(upstream.knobs().set(faults)).expect("faults");
}

/// The requests that the server received.
pub(crate) fn requests(upstream: &Upstream) -> Vec<Logged> {
    block(upstream.knobs().requests()).expect("the server's log")
}
