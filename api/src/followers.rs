//! Tasks that last as long as the process: what the API knows comes through them. One that ends, or
//! panics, would leave a process that looks healthy and answers from what it knew long ago, so its
//! end is the end of the process.

use std::{panic::AssertUnwindSafe, sync::OnceLock};

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug, Default)]
pub struct Followers {
    broken: OnceLock<&'static str>,
    told: Notify,
}

impl Followers {
    /// Runs a task until `stop`. When it ends before that, [`Self::broken`] returns.
    pub async fn follow(
        &self,
        what: &'static str,
        task: impl Future<Output = ()> + Send,
        stop: &CancellationToken,
    ) {
        let ended = stop.run_until_cancelled(AssertUnwindSafe(task).catch_unwind()).await;
        if let Some(ended) = ended {
            tracing::error!(
                what,
                panicked = ended.is_err(),
                "a background task ended, so the process must restart"
            );
            // Of several the first is reported.
            let _ = self.broken.set(what);
            self.told.notify_waiters();
        }
    }

    /// What the task was about that ended, if one did.
    pub fn ended(&self) -> Option<&'static str> {
        self.broken.get().copied()
    }

    /// Waits until a task has ended.
    pub async fn broken(&self) -> &'static str {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // Told from here on, whatever happens between the look and the wait.
            told.as_mut().enable();
            if let Some(what) = self.ended() {
                return what;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_told() {
        for panics in [false, true] {
            let (followers, stop) = (Followers::default(), CancellationToken::new());
            assert_eq!(followers.ended(), None);
            let task = async move { assert!(!panics, "no") };
            let (what, ()) =
                tokio::join!(followers.broken(), followers.follow("the watch", task, &stop));
            assert_eq!((what, followers.ended()), ("the watch", Some("the watch")));
        }
    }

    #[tokio::test]
    async fn the_end_of_the_process_is_no_fault_of_a_task() {
        let (followers, stop) = (Followers::default(), CancellationToken::new());
        stop.cancel();
        followers.follow("the watch", std::future::pending(), &stop).await;
        assert_eq!(followers.ended(), None);
    }
}
