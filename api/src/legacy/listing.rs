//! `/json/{folder}` and `/download/{folder}`: the files of a build, for programs in the format of nginx and
//! for people.

use std::fmt::Write as _;

use asu_store::model::BuildRecord;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{files, paths, respond::json};
use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// Date in the format of nginx.
const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// A file in a listing.
#[derive(Serialize, ToSchema)]
pub struct LegacyFile {
    name: String,
    /// Always `file`.
    r#type: &'static str,
    /// For example Wed, 27 Feb 2019 10:00:00 GMT.
    mtime: String,
    /// Size in bytes.
    size: u64,
}

/// Files of a build
#[utoipa::path(
    method(get, head),
    path = "/json/{folder}",
    tag = "legacy",
    params(("folder" = String, Path, description = "`files` of the answer")),
    responses(
        (status = 200, description = "The files", body = Vec<LegacyFile>),
        (status = 404, description = "No such build", body = Error<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn json_listing_get(
    State(state): State<AppState>,
    Path(folder): Path<String>,
) -> Result<Response, ApiError> {
    json(StatusCode::OK, &listed(&files::in_folder(&state, &folder).await?))
}

/// Files of a build with a private first-boot script
#[utoipa::path(
    method(get, head),
    path = "/json/custom/{request_hash}",
    tag = "legacy",
    params(("request_hash" = String, Path, description = "`files` of the answer")),
    responses(
        (status = 200, description = "The files", body = Vec<LegacyFile>),
        (status = 404, description = "No such build", body = Error<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn json_private_listing_get(
    state: State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    json_listing_get(state, Path(format!("{}/{hash}", paths::PRIVATE))).await
}

/// Files of a build, for people
#[utoipa::path(
    method(get, head),
    path = "/download/{folder}",
    tag = "legacy",
    params(("folder" = String, Path, description = "As in `files` of the answer")),
    responses(
        (status = 200, description = "A page with links", body = String, content_type = "text/html"),
        (status = 404, description = "No such build", body = Error<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn download_listing_get(
    State(state): State<AppState>,
    Path(folder): Path<String>,
) -> Result<Response, ApiError> {
    let record = files::in_folder(&state, &folder).await?;
    let mut response = Html(page(&folder, &listed(&record))).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// Files of a build with a private first-boot script, for people
#[utoipa::path(
    method(get, head),
    path = "/download/custom/{request_hash}",
    tag = "legacy",
    params(("request_hash" = String, Path, description = "As in `files` of the answer")),
    responses(
        (status = 200, description = "A page with links", body = String, content_type = "text/html"),
        (status = 404, description = "No such build", body = Error<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn download_private_listing_get(
    state: State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    download_listing_get(state, Path(format!("{}/{hash}", paths::PRIVATE))).await
}

/// All files of a build, sorted by name. The size of the log is that of its text in the store, which has a
/// mark in each line of standard error.
fn listed(record: &BuildRecord) -> Vec<LegacyFile> {
    let Some(built) = record.facts.ending.built() else { return Vec::new() };
    let made = files::made_names(built).into_iter().map(|name| {
        let size = files::made(built, &name).map_or(0, |text| text.len() as u64);
        (name, size)
    });
    let log = record.facts.log.as_ref().filter(|_| record.log_deleted_at.is_none());
    let log = log.map(|log| (paths::log_name(&record.facts), log.text_bytes));
    let stored = built.files.iter().map(|file| (file.name.clone(), file.size));
    let mut all: Vec<(String, u64)> = stored.chain(made).chain(log).collect();
    all.sort();
    let mtime = record.facts.times.finished.strftime(DATE).to_string();
    let row = |(name, size)| LegacyFile { name, r#type: "file", mtime: mtime.clone(), size };
    all.into_iter().map(row).collect()
}

/// Names of files and folders have no characters with a meaning in HTML.
fn page(folder: &str, all: &[LegacyFile]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{folder}</title></head>\n\
         <body>\n<h1>{folder}</h1>\n<ul>\n"
    );
    for LegacyFile { name, size, mtime, .. } in all {
        let _ = writeln!(
            page,
            "<li><a href=\"/download/{folder}/{name}\">{name}</a> {size} bytes, {mtime}</li>"
        );
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}
