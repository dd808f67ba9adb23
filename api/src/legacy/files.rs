//! `/json/{folder}/{file}` and `/download/{folder}/{file}`: the files of a build, under the paths that
//! answers of the older API contain. They are the files of `/store`.

use std::fmt::Write as _;

use asu_core::result::{Built, is_plain_file_name};
use asu_store::model::BuildRecord;
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method};

use super::{image_get::record_of, paths};
use crate::{
    error::{ApiError, Error},
    http::clients::Peer,
    log_answer,
    state::AppState,
    store::file_get,
};

const NOT_FOUND: ApiError = ApiError::NotFound("Not found");
/// Name of the list of digests.
const SUMS: &str = "sha256sums";

/// A file of a build
#[utoipa::path(
    method(get, head),
    path = "/json/{folder}/{file}",
    tag = "legacy",
    params(
        ("folder" = String, Path, description = "`files` of the answer"),
        ("file" = String, Path, description = "A file of its listing"),
    ),
    responses(
        (status = 200, description = "The file", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The bytes of `Range`", body = [u8], content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names this file"),
        (status = 404, description = "No such file", body = Error<'_>),
        (status = 416, description = "The file has no such bytes", body = Error<'_>),
        (status = 503, description = "A dependency is away or too many files are being sent, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn json_file_get(
    State(state): State<AppState>,
    Path((folder, file)): Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = Asked { folder: &folder, file: &file, method: &method, headers: &headers };
    asked.answer(&state, peer).await
}

/// A file of a build with a private first-boot script
#[utoipa::path(
    method(get, head),
    path = "/json/custom/{request_hash}/{file}",
    tag = "legacy",
    params(
        ("request_hash" = String, Path, description = "`files` of the answer"),
        ("file" = String, Path, description = "A file of its listing"),
    ),
    responses(
        (status = 200, description = "The file", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The bytes of `Range`", body = [u8], content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names this file"),
        (status = 404, description = "No such file", body = Error<'_>),
        (status = 416, description = "The file has no such bytes", body = Error<'_>),
        (status = 503, description = "A dependency is away or too many files are being sent, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn json_private_file_get(
    State(state): State<AppState>,
    Path((hash, file)): Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let folder = format!("{}/{hash}", paths::PRIVATE);
    let asked = Asked { folder: &folder, file: &file, method: &method, headers: &headers };
    asked.answer(&state, peer).await
}

/// A file of a build
#[utoipa::path(
    method(get, head),
    path = "/download/{folder}/{file}",
    tag = "legacy",
    params(
        ("folder" = String, Path, description = "As in `files` of the answer"),
        ("file" = String, Path, description = "A file of its listing"),
    ),
    responses(
        (status = 200, description = "The file", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The bytes of `Range`", body = [u8], content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names this file"),
        (status = 404, description = "No such file", body = Error<'_>),
        (status = 416, description = "The file has no such bytes", body = Error<'_>),
        (status = 503, description = "A dependency is away or too many files are being sent, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn download_file_get(
    state: State<AppState>,
    path: Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    json_file_get(state, path, peer, method, headers).await
}

/// A file of a build with a private first-boot script
#[utoipa::path(
    method(get, head),
    path = "/download/custom/{request_hash}/{file}",
    tag = "legacy",
    params(
        ("request_hash" = String, Path, description = "As in `files` of the answer"),
        ("file" = String, Path, description = "A file of its listing"),
    ),
    responses(
        (status = 200, description = "The file", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The bytes of `Range`", body = [u8], content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names this file"),
        (status = 404, description = "No such file", body = Error<'_>),
        (status = 416, description = "The file has no such bytes", body = Error<'_>),
        (status = 503, description = "A dependency is away or too many files are being sent, see `Retry-After`", body = Error<'_>),
    )
)]
pub async fn download_private_file_get(
    state: State<AppState>,
    path: Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    json_private_file_get(state, path, peer, method, headers).await
}

struct Asked<'a> {
    folder: &'a str,
    file: &'a str,
    method: &'a Method,
    headers: &'a HeaderMap,
}

impl Asked<'_> {
    async fn answer(
        self,
        state: &AppState,
        peer: Option<Extension<Peer>>,
    ) -> Result<Response, ApiError> {
        let Self { folder, file, method, headers } = self;
        if !is_plain_file_name(file) {
            return Err(NOT_FOUND);
        }
        let peer = peer.map(|Extension(peer)| peer);
        let record = in_folder(state, folder).await?;
        if file == paths::log_name(&record.facts) {
            return log_answer::send(state, &record, peer, headers).await;
        }
        let built = record.facts.ending.built().ok_or(NOT_FOUND)?;
        match made(built, file) {
            Some(text) => Ok((log_answer::TEXT, Body::from(text)).into_response()),
            None => file_get::serve(state, &built.build_key, file, peer, method, headers).await,
        }
    }
}

/// The build of a folder.
///
/// # Errors
/// If there is none, or if the database is unavailable.
pub async fn in_folder(state: &AppState, folder: &str) -> Result<BuildRecord, ApiError> {
    let name = folder.rsplit('/').next().unwrap_or_default();
    let record = record_of(state, name).await.map_err(|error| match error {
        ApiError::UnknownHash => NOT_FOUND,
        other => other,
    })?;
    // A name of a build is only valid in the folder that answers contain.
    if paths::folder(&record.facts) == folder { Ok(record) } else { Err(NOT_FOUND) }
}

/// The texts beside the files, unless the build made them: digests and packages.
pub fn made_names(built: &Built) -> Vec<String> {
    let has = |wanted: &dyn Fn(&str) -> bool| built.files.iter().any(|file| wanted(&file.name));
    let mut names = Vec::new();
    if !has(&|name| name == SUMS) {
        names.push(SUMS.to_owned());
    }
    if !has(&|name| name.ends_with(".manifest")) {
        let prefix = built.profile.get("image_prefix").and_then(|prefix| prefix.as_str());
        let name = format!("{}.manifest", prefix.unwrap_or("packages"));
        names.push(if is_plain_file_name(&name) { name } else { "packages.manifest".to_owned() });
    }
    names
}

/// One of the texts of [`made_names`].
pub fn made(built: &Built, name: &str) -> Option<String> {
    if !made_names(built).iter().any(|made| made == name) {
        return None;
    }
    let mut text = String::new();
    if name == SUMS {
        for file in &built.files {
            let _ = writeln!(text, "{} *{}", file.sha256, file.name);
        }
    } else {
        for (package, version) in &built.manifest {
            let _ = writeln!(text, "{package} - {version}");
        }
    }
    Some(text)
}
