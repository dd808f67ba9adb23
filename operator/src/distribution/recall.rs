//! The catalog as it was last loaded: builds that come in a burst are judged by one load.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asu_store::{StoreError, model::Catalog};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// How long a loaded catalog is held: it has megabytes.
const HELD: Duration = Duration::from_secs(15);

type Held = Arc<Mutex<Option<(Arc<Catalog>, Instant)>>>;

/// See the module.
#[derive(Debug, Default)]
pub struct Recall(Held);

impl Recall {
    /// The catalog of this moment. Whoever comes while another loads it waits for that.
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
            context.tasks.spawn(let_go(self.0.clone(), context.stop.clone()));
        }
        Ok(loaded)
    }
}

/// Drops the catalog when nobody asked for it for a while.
async fn let_go(held: Held, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(HELD)).await.is_some() {
        let mut held = held.lock().await;
        if held.as_ref().is_none_or(|(_, used)| used.elapsed() >= HELD) {
            *held = None;
            return;
        }
    }
}
