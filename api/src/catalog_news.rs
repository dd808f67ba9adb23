//! Follows the notifications of the database: builds whose stored answers changed, and a catalog of another
//! revision.

use std::sync::Arc;

use asu_core::request_hash::RequestHash;
use asu_store::listen::{CATALOG_CHANNEL, Hint};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::Notify;

use crate::state::AppState;

/// Follows the database's hints until they end: builds whose stored answers changed are dealt with at
/// once; the catalog is read by [`reload_when_told`], because that takes long.
pub async fn follow(state: AppState, mut hints: BoxStream<'static, Hint>, changed: Arc<Notify>) {
    while let Some(hint) = hints.next().await {
        match hint {
            Hint::Changed { channel, payload } if channel != CATALOG_CHANNEL => {
                if let Ok(hash) = payload.parse::<RequestHash>() {
                    state.finished.forget(&hash);
                    state.cluster.watch.suspect_archived(&hash);
                }
            }
            Hint::Check | Hint::Changed { .. } => changed.notify_one(),
        }
    }
}

/// Reads the catalog each time that it may have changed. A change during a reading causes one more.
pub async fn reload_when_told(state: AppState, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        reload(&state).await;
    }
}

async fn reload(state: &AppState) {
    let known = state.catalog.revision();
    let loaded = async {
        if known.is_some() && state.database.catalog_revision().await.ok() == known {
            return Ok(None);
        }
        state.database.load_catalog().await.map(Some)
    };
    match loaded.await {
        Ok(Some(catalog)) => {
            if let Err(error) = state.catalog.replace(catalog) {
                tracing::error!(%error, "cannot use the catalog; the last one stays");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "cannot read the catalog; the last one stays"),
    }
}
