//! Statistics that outlive the history of builds. Each archived build is added to them in its transaction;
//! the API reads them.

use asu_core::names::PackageSpec;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as PgTime;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    model::{BuildFacts, CounterKind, Ending, ImageTotals, PackageCount, TargetCount},
    pg::{PgStore, epoch::fence, from_bigint, json::text, statistics_days},
};

/// Adds a build to the statistics. Builds with a private first-boot script are not counted.
pub(super) async fn count(
    tx: &mut PgConnection,
    facts: &BuildFacts,
    outcome: &str,
) -> Result<(), StoreError> {
    if facts.is_private() {
        return Ok(());
    }
    let (request, times) = (&facts.request, &facts.times);
    let took = times.started.map_or(0, |started| times.finished.duration_since(started).as_secs());
    let succeeded = matches!(facts.ending, Ending::Succeeded(_));
    sqlx::query!(
        "insert into statistics_days (day, distribution, version, target, outcome, builds, seconds)
         values (($1::timestamptz at time zone 'utc')::date, $2, $3, $4, $5, 1, $6)
         on conflict (day, distribution, version, target, outcome) do update
         set builds = statistics_days.builds + 1, seconds = statistics_days.seconds + excluded.seconds",
        PgTime::from(times.finished) as _,
        text(&request.distribution),
        text(&request.version),
        request.target.as_str(),
        outcome,
        took.max(0)
    )
    .execute(&mut *tx)
    .await?;
    if succeeded {
        count_image(tx, request.target.as_str(), took.max(0)).await?;
    }
    let packages = request.requested_packages();
    statistics_days::count_packages(tx, facts, &packages).await?;
    count_packages(tx, &packages).await
}

async fn count_image(tx: &mut PgConnection, target: &str, took: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into statistics_targets (target, builds, seconds) values ($1, 1, $2)
         on conflict (target) do update
         set builds = statistics_targets.builds + 1,
             seconds = statistics_targets.seconds + excluded.seconds",
        target,
        took
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("update statistics_total set images = images + 1").execute(tx).await?;
    Ok(())
}

async fn count_packages(
    tx: &mut PgConnection,
    packages: &[&PackageSpec],
) -> Result<(), StoreError> {
    if packages.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = packages.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into statistics_packages (package, builds)
         select distinct package, 1 from unnest($1::text[]) as package order by package
         on conflict (package) do update set builds = statistics_packages.builds + 1",
        &names
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl PgStore {
    /// The packages that most builds requested, at most `limit`, most first.
    pub async fn popular_packages(&self, limit: u32) -> Result<Vec<PackageCount>, StoreError> {
        self.bounded("popular_packages", async {
            let rows = sqlx::query!(
                "select package, builds from statistics_packages
                 order by builds desc, package limit $1",
                i64::from(limit)
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| PackageCount { package: row.package, builds: from_bigint(row.builds) })
                .collect())
        })
        .await
    }

    /// The targets of most images, at most `limit`, most first.
    pub async fn popular_targets(&self, limit: u32) -> Result<Vec<TargetCount>, StoreError> {
        self.bounded("popular_targets", async {
            let rows = sqlx::query!(
                "select target, builds, seconds from statistics_targets
                 order by builds desc, target limit $1",
                i64::from(limit)
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| TargetCount {
                    target: row.target,
                    builds: from_bigint(row.builds),
                    seconds: from_bigint(row.seconds),
                })
                .collect())
        })
        .await
    }

    /// Numbers of images: ever made, and in the store now.
    pub async fn image_totals(&self) -> Result<ImageTotals, StoreError> {
        self.bounded("image_totals", async {
            let row = sqlx::query!(
                r#"select (select images from statistics_total) as "images!",
                          (select count(*) from file_sets)
                          - (select count(*) from file_sets where deleting_since is not null)
                              as "stored!""#
            )
            .fetch_one(self.pool())
            .await?;
            Ok(ImageTotals { made: from_bigint(row.images), stored: from_bigint(row.stored) })
        })
        .await
    }

    /// Adds the API's counters of clients to the days. Returns the number of counters.
    pub async fn fold_clients(&self, epoch: i64) -> Result<u64, StoreError> {
        self.bounded("fold_clients", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let done = sqlx::query!(
                "with taken as (
                     delete from request_counters where kind = $1 returning client, at, count
                 )
                 insert into statistics_clients (day, client, requests)
                 select (at at time zone 'utc')::date, coalesce(client, 'unknown/0'), sum(count)
                 from taken group by 1, 2 order by 1, 2
                 on conflict (day, client) do update
                 set requests = statistics_clients.requests + excluded.requests",
                CounterKind::Client.as_str()
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }

    /// Deletes the days before `before`, and packages of days that no answer needs. Totals are kept.
    pub async fn delete_old_statistics(
        &self,
        before: Timestamp,
        epoch: i64,
    ) -> Result<u64, StoreError> {
        self.bounded("delete_old_statistics", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let before = PgTime::from(before);
            let days = sqlx::query!(
                "delete from statistics_days where day < ($1::timestamptz at time zone 'utc')::date",
                before as _
            )
            .execute(&mut *tx)
            .await?;
            let clients = sqlx::query!(
                "delete from statistics_clients
                 where day < ($1::timestamptz at time zone 'utc')::date",
                before as _
            )
            .execute(&mut *tx)
            .await?;
            let packages = statistics_days::delete_old(&mut tx, before).await?;
            tx.commit().await?;
            let days = days.rows_affected().saturating_add(clients.rows_affected());
            Ok(days.saturating_add(packages))
        })
        .await
    }
}
