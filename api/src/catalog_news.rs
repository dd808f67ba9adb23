//! Handles the notifications of the database: it forgets finished builds that changed, and loads what
//! changed of the catalog when its revision changed. Run by `run.rs` as background tasks.

use std::sync::Arc;

use asu_core::request_hash::RequestHash;
use asu_store::{
    listen::{CATALOG_CHANNEL, Hint},
    model::Catalog,
};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::Notify;

use crate::state::AppState;

/// Handles notifications until the stream ends. Changed builds are forgotten at once. The catalog is
/// loaded by [`reload_on_change`], because loading takes long.
pub async fn follow(state: AppState, mut hints: BoxStream<'static, Hint>, changed: Arc<Notify>) {
    while let Some(hint) = hints.next().await {
        match hint {
            Hint::Changed { channel, payload } if channel != CATALOG_CHANNEL => {
                if let Ok(hash) = payload.parse::<RequestHash>() {
                    state.finished.forget(&hash);
                    state.cluster.watch.mark_maybe_archived(&hash);
                }
            }
            Hint::Check | Hint::Changed { .. } => changed.notify_one(),
        }
    }
}

/// Loads the catalog each time that it may have changed. A change while it is loaded causes another
/// load.
pub async fn reload_on_change(state: AppState, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        reload(&state).await;
    }
}

async fn reload(state: &AppState) {
    let known = state.catalog.current().ok();
    let loaded = async {
        let revision = known.as_ref().map(|known| known.revision);
        if revision.is_some() && state.database.catalog_revision().await.ok() == revision {
            return Ok(None);
        }
        let nothing = Catalog::default();
        let known = known.as_ref().map_or(&nothing, |known| known.catalog());
        state.database.reload_catalog(known, None, &state.catalog.pool).await.map(Some)
    };
    match loaded.await {
        Ok(Some(catalog)) => {
            if let Err(error) = state.catalog.replace(catalog) {
                tracing::error!(%error, "the new catalog cannot be used; the old one stays in use");
            }
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, "the catalog cannot be read; the old one stays in use");
        }
    }
}
