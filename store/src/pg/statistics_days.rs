//! Statistics by day: what the statistics of the public server show of the last weeks.

use asu_core::{names::PackageSpec, version::branch_name};
use jiff_sqlx::Timestamp as PgTime;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    model::{BuildFacts, DayCount, PackageCount, VersionWeek},
    pg::{PgStore, from_bigint, json::text},
};

/// Days for which packages are kept.
const PACKAGE_DAYS: i32 = 31;

/// Adds the packages that a build requested, without those that it leaves out.
pub(super) async fn count_packages(
    tx: &mut PgConnection,
    facts: &BuildFacts,
    packages: &[&PackageSpec],
) -> Result<(), StoreError> {
    let added = packages.iter().filter(|package| !package.is_removal());
    let names: Vec<String> = added.map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into statistics_package_days (day, branch, package, builds)
         select distinct ($1::timestamptz at time zone 'utc')::date, $2, package, 1
         from unnest($3::text[]) as package order by package
         on conflict (day, branch, package) do update
         set builds = statistics_package_days.builds + 1",
        PgTime::from(facts.times.finished) as _,
        text(branch_name(&facts.request.version)),
        &names
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes the packages of days before `before`, and of those that no answer needs.
pub(super) async fn delete_old(tx: &mut PgConnection, before: PgTime) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from statistics_package_days
         where day < ($1::timestamptz at time zone 'utc')::date
            or day < (now() at time zone 'utc')::date - $2::int",
        before as _,
        PACKAGE_DAYS
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

impl PgStore {
    /// What happened on each of the last `days` days, today first. Days without anything are absent.
    pub async fn days(&self, days: u16) -> Result<Vec<DayCount>, StoreError> {
        self.bounded("days", async {
            let rows = sqlx::query!(
                r#"select (now() at time zone 'utc')::date - day as "days_ago!",
                          sum(requests)::bigint as "requests!", sum(builds)::bigint as "builds!",
                          sum(failures)::bigint as "failures!"
                   from (
                       select day, requests, 0 as builds, 0 as failures from statistics_clients
                       union all
                       select day, 0, builds, case outcome when 'Failed' then builds else 0 end
                       from statistics_days
                   ) as counted
                   where day > (now() at time zone 'utc')::date - $1::int
                   group by day order by day desc"#,
                i32::from(days)
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| DayCount {
                    days_ago: row.days_ago.max(0).unsigned_abs(),
                    requests: from_bigint(row.requests),
                    builds: from_bigint(row.builds),
                    failures: from_bigint(row.failures),
                })
                .collect())
        })
        .await
    }

    /// Images of each version in each of the last `weeks` weeks.
    pub async fn weeks(&self, weeks: u16) -> Result<Vec<VersionWeek>, StoreError> {
        self.bounded("weeks", async {
            let rows = sqlx::query!(
                r#"select ((now() at time zone 'utc')::date - day) / 7 as "weeks_ago!", version,
                          sum(builds)::bigint as "builds!"
                   from statistics_days
                   where outcome = 'Succeeded' and day > (now() at time zone 'utc')::date - $1::int * 7
                   group by 1, 2 order by 1, 2"#,
                i32::from(weeks)
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| VersionWeek {
                    weeks_ago: row.weeks_ago.max(0).unsigned_abs(),
                    version: row.version,
                    builds: from_bigint(row.builds),
                })
                .collect())
        })
        .await
    }

    /// The packages that most builds of a branch, or of all branches, requested in the last `days` days, at
    /// most 31, most first.
    pub async fn top_packages(
        &self,
        branch: Option<&str>,
        days: u16,
        limit: u32,
    ) -> Result<Vec<PackageCount>, StoreError> {
        self.bounded("top_packages", async {
            let rows = sqlx::query!(
                r#"select package, sum(builds)::bigint as "builds!" from statistics_package_days
                   where day > (now() at time zone 'utc')::date - $1::int
                     and ($2::text is null or branch = $2)
                   group by package order by 2 desc, package limit $3"#,
                i32::from(days),
                branch,
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

    /// Number of images of the last 24 hours.
    pub async fn images_of_a_day(&self) -> Result<u64, StoreError> {
        self.bounded("images_of_a_day", async {
            let count = sqlx::query_scalar!(
                r#"select count(*) as "count!" from builds
                   where outcome = 'Succeeded' and not private
                     and archived_at > now() - interval '24 hours'"#
            )
            .fetch_one(self.pool())
            .await?;
            Ok(from_bigint(count))
        })
        .await
    }
}
