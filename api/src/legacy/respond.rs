//! Renders the result of a request or look-up as an answer of the older API.

use asu_core::legacy::key::{Key, Manner, Style};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::answers::{LegacyWaiting, SERVER};
use crate::{
    answers::{Dialect, FinishedAnswer},
    cluster::Entry,
    error::ApiError,
    known::Known,
    state::AppState,
};

const STATUS: HeaderName = HeaderName::from_static("x-imagebuilder-status");
const POSITION: HeaderName = HeaderName::from_static("x-build-queue-position");

/// Makes the answer for a build. `server` is the URL of this server for clients that expect URLs.
///
/// # Errors
/// When the record of a finished build must be read and the database is unavailable.
pub async fn respond(
    state: &AppState,
    known: &Known,
    manner: Manner,
    server: &str,
) -> Result<Response, ApiError> {
    match known {
        Known::Finished(build) => {
            let answer = state.answers.of(build, Dialect::Legacy(manner)).await?;
            Ok(finished(&answer, manner, server))
        }
        Known::Alive(entry) => {
            let position = || state.cluster.watch.place(entry, state.now());
            waiting(entry, manner, position)
        }
    }
}

fn finished(answer: &FinishedAnswer, manner: Manner, server: &str) -> Response {
    let body = match (manner.style, std::str::from_utf8(&answer.body)) {
        (Style::Split, Ok(text)) => Bytes::from(text.replace(SERVER, server)),
        _ => answer.body.clone(),
    };
    with_body(answer.status, body)
}

/// The answer 202. Clients count positions from one, and auc takes any other status for an error.
fn waiting(
    entry: &Entry,
    manner: Manner,
    position: impl FnOnce() -> usize,
) -> Result<Response, ApiError> {
    let key = Key { hash: entry.hash, manner };
    let mut response =
        json(StatusCode::ACCEPTED, &LegacyWaiting { request_hash: key.to_string() })?;
    let status = match entry {
        Entry { admitted: true, .. } => "building",
        Entry { accepted: true, cache_ready: false, .. } => "initialize",
        _ => "queue",
    };
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from_static(status));
    if !entry.admitted {
        headers.insert(POSITION, HeaderValue::from(position().saturating_add(1)));
    }
    Ok(response)
}

/// An answer with this body, which must not be cached.
///
/// # Errors
/// When it cannot be serialized.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(body).map_err(|_| ApiError::Internal)?;
    Ok(with_body(status, body.into()))
}

fn with_body(status: StatusCode, body: Bytes) -> Response {
    let mut response = Body::from(body).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use asu_core::legacy::key::Kind;

    use super::*;
    use crate::cluster::entry::tests::entry;

    #[test]
    fn a_build_waits_is_initialized_or_runs_and_its_position_counts_from_one() {
        let manner = Manner { style: Style::Joined, kind: Kind::Build };
        let of = |entry: &Entry| {
            let response = waiting(entry, manner, || 4).unwrap();
            let header = |name: HeaderName| {
                response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            (response.status().as_u16(), header(STATUS).unwrap(), header(POSITION))
        };
        let new = entry("a", 0);
        assert_eq!(of(&new), (202, "queue".to_owned(), Some("5".to_owned())));
        let accepted = Entry { accepted: true, ..new.clone() };
        assert_eq!(of(&accepted), (202, "initialize".to_owned(), Some("5".to_owned())));
        let ready = Entry { cache_ready: true, ..accepted.clone() };
        assert_eq!(of(&ready), (202, "queue".to_owned(), Some("5".to_owned())));
        let admitted = Entry { admitted: true, ..accepted };
        assert_eq!(of(&admitted), (202, "building".to_owned(), None));
    }

    #[test]
    fn only_clients_that_expect_urls_get_the_url_of_the_server() {
        let body = Bytes::from(format!("{{\"files\":\"{SERVER}/json/x/\"}}"));
        let answer = FinishedAnswer { status: StatusCode::OK, body };
        let length = |style, server: &str| {
            let response = finished(&answer, Manner { style, kind: Kind::Build }, server);
            axum::body::HttpBody::size_hint(response.body()).exact().unwrap()
        };
        let plain = "{\"files\":\"/json/x/\"}".len() as u64;
        assert_eq!(length(Style::Split, ""), plain);
        assert_eq!(length(Style::Split, "http://h"), plain + 8);
    }
}
