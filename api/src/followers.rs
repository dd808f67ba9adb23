//! Background tasks that keep the API's data up to date and run as long as the process. If one ends or
//! panics, the process would look healthy but answer with old data. Therefore the process ends with it.

use std::{panic::AssertUnwindSafe, sync::OnceLock};

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The background tasks of the process.
#[derive(Debug, Default)]
pub struct Followers {
    broken: OnceLock<&'static str>,
    stopping: Notify,
}

impl Followers {
    /// Runs a task until `stop` is cancelled. If the task ends earlier, [`Self::broken`] returns.
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
            // Only the first is reported.
            let _ = self.broken.set(what);
            self.stopping.notify_waiters();
        }
    }

    /// The description of the task that ended, if any.
    pub fn ended(&self) -> Option<&'static str> {
        self.broken.get().copied()
    }

    /// Waits until a task has ended.
    pub async fn broken(&self) -> &'static str {
        loop {
            let stopping = self.stopping.notified();
            tokio::pin!(stopping);
            // Notifications count from here on, also between the check and the wait.
            stopping.as_mut().enable();
            if let Some(what) = self.ended() {
                return what;
            }
            stopping.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_reported() {
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
    async fn a_task_that_ends_with_the_process_is_not_reported() {
        let (followers, stop) = (Followers::default(), CancellationToken::new());
        stop.cancel();
        followers.follow("the watch", std::future::pending(), &stop).await;
        assert_eq!(followers.ended(), None);
    }
}
