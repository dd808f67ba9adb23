//! `GET /api/v1/builds-per-day` and `GET /api/v1/builds-by-version`: data of charts, in the form of Chart.js.

use std::collections::BTreeMap;

use asu_core::version::branch_name;
use asu_store::model::{DayCount, VersionWeek};
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use jiff::{ToSpan as _, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::recent::{DAYS, WEEKS, today};
use crate::{
    error::{ApiError, Error},
    legacy::respond::json,
    state::AppState,
};

/// Days of a week.
const WEEK: u16 = 7;

/// A chart.
#[derive(Serialize, ToSchema)]
pub struct Chart {
    /// Days, oldest first: 2026-10-25Z.
    labels: Vec<String>,
    datasets: Vec<Dataset>,
}

/// A line of a chart.
#[derive(Serialize, ToSchema)]
pub struct Dataset {
    label: String,
    /// One value for each label.
    data: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'static str>,
}

/// Query of [`builds_by_version_get`].
#[derive(Debug, Default, Deserialize)]
pub struct OfBranch {
    branch: Option<String>,
}

/// Requests and builds of the last 30 days
#[utoipa::path(
    method(get, head),
    path = "/api/v1/builds-per-day",
    tag = "statistics",
    responses(
        (status = 200, description = "Requests, those that started no build, and failures", body = Chart),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn builds_per_day_get(State(state): State<AppState>) -> Result<Response, ApiError> {
    let days = state.recent.days().await?;
    json(StatusCode::OK, &per_day(&days, today(state.now())))
}

/// Images by week and branch or version
#[utoipa::path(
    method(get, head),
    path = "/api/v1/builds-by-version",
    tag = "statistics",
    params(("branch" = Option<String>, Query, description = "For the versions of this branch instead of all branches")),
    responses(
        (status = 200, description = "Images of the last 26 weeks", body = Chart),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn builds_by_version_get(
    State(state): State<AppState>,
    Query(query): Query<OfBranch>,
) -> Result<Response, ApiError> {
    let weeks = state.recent.weeks().await?;
    let branch = query.branch.as_deref().filter(|branch| !branch.is_empty());
    json(StatusCode::OK, &by_version(&weeks, branch, today(state.now())))
}

/// Labels of `count` days that end today, each `step` days after the one before.
fn labels(today: Date, count: u16, step: u16) -> Vec<String> {
    let ago = |days: u16| today.checked_sub(i64::from(days).days()).unwrap_or(today);
    (0..count).rev().map(|nth| format!("{}Z", ago(nth.saturating_mul(step)))).collect()
}

/// Puts a value at its place, counted from the newest, which is last.
fn put(data: &mut [u64], ago: u32, value: u64) {
    let place = usize::try_from(ago).ok().and_then(|ago| data.len().checked_sub(ago + 1));
    if let Some(entry) = place.and_then(|place| data.get_mut(place)) {
        *entry = entry.saturating_add(value);
    }
}

fn per_day(days: &[DayCount], today: Date) -> Chart {
    let of = |label: &str, color, value: fn(&DayCount) -> u64| {
        let mut data = vec![0; usize::from(DAYS)];
        for day in days {
            put(&mut data, day.days_ago, value(day));
        }
        Dataset { label: label.to_owned(), data, color: Some(color) }
    };
    Chart {
        labels: labels(today, DAYS, 1),
        datasets: vec![
            of("Requests", "green", |day| day.requests),
            of("Cache-Hits", "orange", |day| day.requests.saturating_sub(day.builds)),
            of("Failures", "red", |day| day.failures),
        ],
    }
}

fn by_version(weeks: &[VersionWeek], branch: Option<&str>, today: Date) -> Chart {
    let mut lines: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for week in weeks {
        let label = match branch {
            None => branch_name(&week.version),
            Some(branch) if branch_name(&week.version) == branch => &week.version,
            Some(_) => continue,
        };
        let data = lines.entry(label).or_insert_with(|| vec![0; usize::from(WEEKS)]);
        put(data, week.weeks_ago, week.builds);
    }
    let line =
        |(label, data): (&str, Vec<u64>)| Dataset { label: label.to_owned(), data, color: None };
    Chart { labels: labels(today, WEEKS, WEEK), datasets: lines.into_iter().map(line).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = Date::constant(2026, 3, 1);

    #[test]
    fn days_without_anything_are_zero_and_the_last_value_is_of_today() {
        let day = |days_ago, requests, builds, failures| DayCount {
            days_ago,
            requests,
            builds,
            failures,
        };
        let chart = per_day(&[day(0, 5, 2, 1), day(29, 7, 9, 0), day(30, 1, 1, 1)], TODAY);
        assert_eq!(chart.labels.len(), 30);
        assert_eq!(chart.labels[29], "2026-03-01Z");
        assert_eq!(chart.labels[28], "2026-02-28Z");
        let [requests, hits, failures] = chart.datasets.as_slice() else { panic!() };
        assert_eq!((requests.data[29], hits.data[29], failures.data[29]), (5, 3, 1));
        assert_eq!((requests.data[0], hits.data[0]), (7, 0));
        assert_eq!(requests.data.iter().sum::<u64>(), 12, "older days are left out");
    }

    #[test]
    fn versions_are_added_up_by_branch_or_shown_alone() {
        let week = |weeks_ago, version: &str| VersionWeek {
            weeks_ago,
            version: version.into(),
            builds: 2,
        };
        let weeks = [
            week(0, "24.10.7"),
            week(0, "24.10.8"),
            week(25, "24.10-SNAPSHOT"),
            week(3, "SNAPSHOT"),
        ];
        let all = by_version(&weeks, None, TODAY);
        let of = |chart: &Chart| {
            chart
                .datasets
                .iter()
                .map(|line| (line.label.clone(), line.data[0], line.data[25]))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&all), [("24.10".to_owned(), 2, 4), ("SNAPSHOT".to_owned(), 0, 0)]);
        assert_eq!(all.labels[24], "2026-02-22Z");
        let one = by_version(&weeks, Some("24.10"), TODAY);
        let labels: Vec<_> = one.datasets.iter().map(|line| line.label.as_str()).collect();
        assert_eq!(labels, ["24.10-SNAPSHOT", "24.10.7", "24.10.8"]);
        assert!(by_version(&weeks, Some("%"), TODAY).datasets.is_empty());
    }
}
