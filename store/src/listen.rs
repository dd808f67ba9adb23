//! Change notifications of the database (`LISTEN`). The API uses them to refresh what it holds in
//! memory. Notifications can be lost, so the caller must also compare revisions on every
//! [`Hint::Check`].

use std::time::Duration;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use sqlx::postgres::PgListener;

/// Channel of catalog changes; the payload is the new revision.
pub const CATALOG_CHANNEL: &str = "asu_catalog";
/// Channel of archived builds and deleted files; the payload is the request hash.
pub const BUILDS_CHANNEL: &str = "asu_builds";

/// Interval of [`Hint::Check`].
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// Maximum pause between two attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(15);

/// A hint that the database may have something new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The connection is new, or 30 seconds have passed: anything may have changed.
    Check,
    /// A notification arrived.
    Changed {
        /// [`CATALOG_CHANNEL`] or [`BUILDS_CHANNEL`].
        channel: String,
        /// Revision or request hash, see the channel.
        payload: String,
    },
}

/// An endless stream of hints that reconnects after every lost connection. `direct_url` must not
/// lead through a transaction pooler, which does not forward notifications.
pub fn listen(
    direct_url: String,
    channels: impl IntoIterator<Item = &'static str>,
) -> BoxStream<'static, Hint> {
    let state = Listening {
        url: direct_url,
        channels: channels.into_iter().collect(),
        listener: None,
        pause: Duration::ZERO,
    };
    let notified = stream::unfold(state, |mut state| async move {
        let hint = state.next().await;
        Some((hint, state))
    });
    let checks = stream::unfold((), |()| async {
        tokio::time::sleep(CHECK_EVERY).await;
        Some((Hint::Check, ()))
    });
    stream::select(notified, checks).boxed()
}

struct Listening {
    url: String,
    channels: Vec<&'static str>,
    listener: Option<PgListener>,
    pause: Duration,
}

impl Listening {
    async fn next(&mut self) -> Hint {
        loop {
            let Some(listener) = &mut self.listener else {
                if self.connect().await {
                    return Hint::Check;
                }
                continue;
            };
            match listener.try_recv().await {
                Ok(Some(notification)) => {
                    return Hint::Changed {
                        channel: notification.channel().to_owned(),
                        payload: notification.payload().to_owned(),
                    };
                }
                // The connection was lost and has been restored: notifications may be missing.
                Ok(None) => return Hint::Check,
                Err(error) => {
                    tracing::warn!(%error, "lost the connection for notifications");
                    self.listener = None;
                }
            }
        }
    }

    async fn connect(&mut self) -> bool {
        tokio::time::sleep(self.pause).await;
        match subscribe(&self.url, &self.channels).await {
            Ok(listener) => {
                self.listener = Some(listener);
                self.pause = Duration::ZERO;
                true
            }
            Err(error) => {
                self.pause = (self.pause * 2).clamp(Duration::from_millis(500), MAX_PAUSE);
                tracing::warn!(%error, "cannot listen for notifications yet");
                false
            }
        }
    }
}

async fn subscribe(url: &str, channels: &[&str]) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen_all(channels.iter().copied()).await?;
    Ok(listener)
}
