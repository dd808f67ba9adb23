//! Caches the catalog for a short time, so that a burst of builds is validated with one load.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asu_store::{StoreError, model::Catalog};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// How long an unused catalog stays in memory: it has several megabytes.
const HELD: Duration = Duration::from_secs(15);

type Held = Arc<Mutex<Option<(Arc<Catalog>, Instant)>>>;

/// The cached catalog; the lock makes a load a single flight.
#[derive(Debug, Default)]
pub struct Recall(Held);

impl Recall {
    /// The current catalog: the cached one if its revision is still current, else it is loaded.
    /// Concurrent callers wait for the same load.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn catalog(&self, context: &Context) -> Result<Arc<Catalog>, StoreError> {
        let mut held = self.0.lock().await;
        if let Some((catalog, used)) = held.as_mut()
            && context.database.catalog_revision().await? == catalog.revision
        {
            *used = Instant::now();
            return Ok(catalog.clone());
        }
        let loaded = Arc::new(context.database.load_catalog().await?);
        if held.replace((loaded.clone(), Instant::now())).is_none() {
            context.tasks.spawn(drop_unused(self.0.clone(), context.stop.clone()));
        }
        Ok(loaded)
    }
}

/// Drops the catalog when it was not used for [`HELD`].
async fn drop_unused(held: Held, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(HELD)).await.is_some() {
        let mut held = held.lock().await;
        if held.as_ref().is_none_or(|(_, used)| used.elapsed() >= HELD) {
            *held = None;
            return;
        }
    }
}
