//! Keeps the targets of the catalog that builds asked for in memory for a short time, so that a burst of
//! builds is validated with one query for each target.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use asu_core::catalog::Distribution;
use asu_store::StoreError;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// How long unused targets stay in memory.
const HELD: Duration = Duration::from_secs(15);
/// Maximum number of targets in memory. Each has the names of all versions of its distribution.
const MAX_TARGETS: usize = 64;

/// Distribution, version and target.
type Key = (String, String, String);

/// Targets of one revision of the catalog.
#[derive(Debug)]
struct Targets {
    revision: i64,
    found: HashMap<Key, Option<Arc<Distribution>>>,
    used: Instant,
}

type Held = Arc<Mutex<Option<Targets>>>;

/// The targets in memory; the lock makes a query a single flight.
#[derive(Debug, Default)]
pub struct Recall(Held);

impl Recall {
    /// A distribution with the names of its versions, and one target of one of them. `None` if there is
    /// no such distribution.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn target(
        &self,
        context: &Context,
        distribution: &str,
        version: &str,
        target: &str,
    ) -> Result<Option<Arc<Distribution>>, StoreError> {
        let mut held = self.0.lock().await;
        let database = &context.database;
        let revision = database.catalog_revision().await?;
        if held.is_none() {
            context.tasks.spawn(drop_unused(self.0.clone(), context.stop.clone()));
        }
        let nothing = || Targets { revision, found: HashMap::new(), used: Instant::now() };
        let targets = held.get_or_insert_with(nothing);
        if targets.revision != revision || targets.found.len() >= MAX_TARGETS {
            *targets = nothing();
        }
        targets.used = Instant::now();
        let key = (distribution.to_owned(), version.to_owned(), target.to_owned());
        if let Some(known) = targets.found.get(&key) {
            return Ok(known.clone());
        }
        let loaded = database.load_target(distribution, version, target).await?.map(Arc::new);
        targets.found.insert(key, loaded.clone());
        Ok(loaded)
    }
}

/// Drops the targets when they were not used for [`HELD`].
async fn drop_unused(held: Held, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(HELD)).await.is_some() {
        let mut held = held.lock().await;
        if held.as_ref().is_none_or(|targets| targets.used.elapsed() >= HELD) {
            *held = None;
            return;
        }
    }
}
