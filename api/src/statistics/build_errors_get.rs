//! `GET /api/v1/build-errors`: the newest failures as text, for people.

use std::fmt::Write as _;

use asu_store::model::BuildRecord;
use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::{query_number::number, recent::MAX_FAILURES};
use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// Number of failures without `n`.
const DEFAULT: usize = 100;
/// Maximum number of characters of a message.
const MAX_MESSAGE: usize = 200;
/// Length of a request hash, which is not shown.
const HASH_DIGITS: usize = 64;
const DATE: &str = "%Y-%m-%d %H:%M:%S";

/// Query of [`build_errors_get`].
#[derive(Debug, Default, Deserialize)]
pub struct ErrorsQuery {
    n: Option<String>,
}

/// Newest failures as text
#[utoipa::path(
    method(get, head),
    path = "/api/v1/build-errors",
    tag = "statistics",
    params(("n" = Option<u32>, Query, description = "Maximum number of failures, at most 500")),
    responses(
        (status = 200, description = "A line for each failure without a first-boot script, newest first", body = String, content_type = "text/plain"),
        (status = 422, description = "`n` is not a number", body = Error<'_>),
        (status = 503, description = "The database is away", body = Error<'_>),
    )
)]
pub async fn build_errors_get(
    State(state): State<AppState>,
    Query(query): Query<ErrorsQuery>,
) -> Result<Response, ApiError> {
    let most = number(query.n.as_deref(), DEFAULT, MAX_FAILURES)?;
    let records = state.recent.failures().await?;
    let lines: Vec<(Timestamp, String)> = records.iter().take(most).filter_map(line).collect();
    let mut response = text(&lines).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

fn line(record: &BuildRecord) -> Option<(Timestamp, String)> {
    let (facts, request) = (&record.facts, &record.facts.request);
    let failure = facts.ending.failure()?;
    let at = facts.times.finished;
    let message = message(&failure.detail);
    let line = format!(
        "{} {}:{}:{} {message}",
        at.strftime(DATE),
        request.version,
        request.target,
        request.profile
    );
    Some((at, line))
}

/// The message in one line, cut, and without hashes that name a request.
fn message(detail: &str) -> String {
    let words = detail.split_whitespace().map(|word| {
        let is_hash = word.len() == HASH_DIGITS && word.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hash { "[job-id]" } else { word }
    });
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE).collect()
}

fn text(lines: &[(Timestamp, String)]) -> String {
    let (Some((newest, _)), Some((oldest, _))) = (lines.first(), lines.last()) else {
        return "No build errors recorded.\n".to_owned();
    };
    let mut text = format!(
        "Build Errors: {} entries\nTime range: {} to {}\n\nRecent errors:\n{}\n",
        lines.len(),
        oldest.strftime(DATE),
        newest.strftime(DATE),
        "-".repeat(60)
    );
    for (_, line) in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line_without_hashes() {
        let hash = "0f".repeat(32);
        assert_eq!(message(&format!("a\n  b\t{hash} c")), "a b [job-id] c");
        assert_eq!(message(&"ä".repeat(300)).chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn the_text_begins_with_the_number_and_the_time_of_its_lines() {
        assert_eq!(text(&[]), "No build errors recorded.\n");
        let at = |second| Timestamp::new(second, 0).unwrap();
        let text = text(&[(at(60), "new".to_owned()), (at(0), "old".to_owned())]);
        let expected = format!(
            "Build Errors: 2 entries\nTime range: 1970-01-01 00:00:00 to 1970-01-01 00:01:00\n\n\
             Recent errors:\n{}\nnew\nold\n",
            "-".repeat(60)
        );
        assert_eq!(text, expected);
    }
}
