//! Statistics of what was built: `/api/v1/stats/*` of asu 0.2.0, and those of the public server. Read from sums and
//! by indexes in the database, and kept in memory for a minute. Builds with a private first-boot script are not counted.

pub mod build_errors_get;
pub mod charts_get;
pub mod fails_latest_get;
pub mod image_stats_get;
pub mod images_latest_get;
pub mod packages_get;
pub mod popular_packages_get;
pub mod popular_targets_get;
mod query_number;
pub mod queue_get;
pub mod recent;
pub mod top_packages_get;

use std::{sync::Arc, time::Duration};

use asu_store::{
    PgStore,
    model::{BuildRecord, ImageTotals, PackageCount, TargetCount},
};
use moka::future::Cache;

use crate::{
    budgets::{Budget, Budgets},
    error::ApiError,
    held::held_or,
};

/// How long sums are kept in memory.
const KEPT: Duration = Duration::from_mins(1);

/// Maximum number of entries of a list, as in asu 0.2.0.
const MOST_POPULAR: u32 = 50;

/// Maximum number of builds in a list of the newest ones, as in asu 0.2.0.
const NEWEST: u32 = 50;

/// The sums, as last read.
pub struct Statistics {
    database: PgStore,
    waiting: Arc<tokio::sync::Semaphore>,
    packages: Cache<(), Arc<[PackageCount]>>,
    targets: Cache<(), Arc<[TargetCount]>>,
    totals: Cache<(), ImageTotals>,
    images: Cache<(), Arc<[BuildRecord]>>,
    failures: Cache<(), Arc<[BuildRecord]>>,
}

impl Statistics {
    /// Reads them from this database when they are asked for.
    pub fn new(database: PgStore, budgets: &Budgets) -> Self {
        Self {
            database,
            waiting: budgets.semaphore(Budget::Document),
            packages: kept(),
            targets: kept(),
            totals: kept(),
            images: kept(),
            failures: kept(),
        }
    }

    async fn packages(&self) -> Result<Arc<[PackageCount]>, ApiError> {
        self.get(&self.packages, async || {
            Ok(self.database.popular_packages(MOST_POPULAR).await?.into())
        })
        .await
    }

    async fn targets(&self) -> Result<Arc<[TargetCount]>, ApiError> {
        self.get(&self.targets, async || {
            Ok(self.database.popular_targets(MOST_POPULAR).await?.into())
        })
        .await
    }

    async fn totals(&self) -> Result<ImageTotals, ApiError> {
        self.get(&self.totals, async || Ok(self.database.image_totals().await?)).await
    }

    async fn images(&self) -> Result<Arc<[BuildRecord]>, ApiError> {
        self.get(&self.images, async || Ok(self.database.newest_images(NEWEST).await?.into())).await
    }

    async fn failures(&self) -> Result<Arc<[BuildRecord]>, ApiError> {
        self.get(&self.failures, async || Ok(self.database.latest_failures(NEWEST).await?.into()))
            .await
    }

    /// Returns the sums from memory, or reads them.
    async fn get<T: Clone + Send + Sync + 'static>(
        &self,
        held: &Cache<(), T>,
        read: impl AsyncFnOnce() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        held_or(held, (), &self.waiting, read()).await
    }
}

fn kept<T: Clone + Send + Sync + 'static>() -> Cache<(), T> {
    Cache::builder().max_capacity(1).time_to_live(KEPT).build()
}
