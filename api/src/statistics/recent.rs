//! What happened in the last days and weeks, as last read: for the charts of the public server's pages.

use std::sync::Arc;

use asu_store::{
    PgStore,
    model::{BuildRecord, DayCount, PackageCount, VersionWeek},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use moka::future::Cache;
use tokio::sync::Semaphore;

use super::{KEPT, kept};
use crate::{
    budgets::{Budget, Budgets},
    error::ApiError,
    held::held_or,
};

/// Days of the chart of days and of the list of packages.
pub const DAYS: u16 = 30;
/// Weeks of the chart of versions.
pub const WEEKS: u16 = 26;
/// Maximum number of packages in an answer.
pub const MAX_PACKAGES: u32 = 100;
/// Maximum number of failures in an answer.
pub const MAX_FAILURES: u32 = 500;
/// Maximum number of branches whose packages are kept in memory.
const MAX_BRANCHES: u64 = 16;

/// The sums, as last read.
pub struct Recent {
    database: PgStore,
    waiting: Arc<Semaphore>,
    images: Cache<(), u64>,
    days: Cache<(), Arc<[DayCount]>>,
    weeks: Cache<(), Arc<[VersionWeek]>>,
    packages: Cache<Option<String>, Arc<[PackageCount]>>,
    failures: Cache<(), Arc<[BuildRecord]>>,
}

impl Recent {
    /// Reads them from this database when they are asked for.
    pub fn new(database: PgStore, budgets: &Budgets) -> Self {
        let packages = Cache::builder().max_capacity(MAX_BRANCHES).time_to_live(KEPT).build();
        Self {
            database,
            waiting: budgets.semaphore(Budget::Document),
            images: kept(),
            days: kept(),
            weeks: kept(),
            packages,
            failures: kept(),
        }
    }

    /// Images of the last 24 hours.
    pub async fn images(&self) -> Result<u64, ApiError> {
        let read = async { Ok(self.database.images_of_a_day().await?) };
        held_or(&self.images, (), &self.waiting, read).await
    }

    /// The last [`DAYS`] days.
    pub async fn days(&self) -> Result<Arc<[DayCount]>, ApiError> {
        let read = async { Ok(self.database.days(DAYS).await?.into()) };
        held_or(&self.days, (), &self.waiting, read).await
    }

    /// The last [`WEEKS`] weeks.
    pub async fn weeks(&self) -> Result<Arc<[VersionWeek]>, ApiError> {
        let read = async { Ok(self.database.weeks(WEEKS).await?.into()) };
        held_or(&self.weeks, (), &self.waiting, read).await
    }

    /// The packages that most builds of a branch, or of all, requested.
    pub async fn packages(&self, branch: Option<&str>) -> Result<Arc<[PackageCount]>, ApiError> {
        let read =
            async { Ok(self.database.top_packages(branch, DAYS, MAX_PACKAGES).await?.into()) };
        let key = branch.map(str::to_owned);
        held_or(&self.packages, key, &self.waiting, read).await
    }

    /// The newest failures.
    pub async fn failures(&self) -> Result<Arc<[BuildRecord]>, ApiError> {
        let read = async { Ok(self.database.latest_failures(MAX_FAILURES).await?.into()) };
        held_or(&self.failures, (), &self.waiting, read).await
    }
}

/// The day of this time in UTC.
pub fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}
