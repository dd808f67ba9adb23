//! `GET /api/image/{hash}` and `GET /api/manifest/{hash}`: a finished build.

use asu_core::{legacy::sysupgrade, request_hash::RequestHash};
use asu_store::model::BuildRecord;
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{error::LegacyError, form::LegacyProblem, offer, paths, respond::json};
use crate::{budgets::Budget, error::ApiError, iso::iso, state::AppState};

/// Maximum length of the name of a build.
const MAX_NAME: usize = 64;
/// Length of a request hash in hexadecimal digits.
const HASH_DIGITS: usize = 64;

/// A finished image.
#[derive(Serialize, ToSchema)]
pub struct LegacyImage {
    /// Names the build.
    image_hash: String,
    /// As `image_hash`.
    id: String,
    distro: String,
    distro_alias: String,
    version: String,
    version_alias: String,
    /// target/subtarget.
    target: String,
    subtarget: String,
    profile: String,
    /// Display name of the device.
    model: String,
    /// Finds its packages at /api/manifest.
    manifest_hash: String,
    /// Finds the requested packages at /api/v1/packages_hash.
    packages_hash: String,
    /// For a build with a first-boot script the only name of the build, else null.
    defaults_hash: Option<String>,
    /// Time at which the build ended.
    build_date: String,
    /// Name of the file for sysupgrade, or empty.
    sysupgrade: String,
    /// Always `untested`.
    image_status: &'static str,
    /// As `image_status`.
    status: &'static str,
    /// Duration of the build in seconds.
    build_seconds: i64,
    /// Whether upstream rebuilds the version under the same name.
    snapshots: bool,
    /// Path of its files below /json/ and /download/.
    files: String,
}

/// A finished image, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/image/{image_hash}",
    tag = "legacy",
    params(("image_hash" = String, Path, description = "`image_hash` of an answer")),
    responses(
        (status = 200, description = "The image", body = LegacyImage),
        (status = 404, description = "No such image", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn image_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, LegacyError> {
    let record = record_of(&state, &hash).await?;
    Ok(json(StatusCode::OK, &image(&state, &record)?)?)
}

/// Packages of a finished image, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/manifest/{manifest_hash}",
    tag = "legacy",
    params(("manifest_hash" = String, Path, description = "`manifest_hash` of an image")),
    responses(
        (status = 200, description = "Versions by name of the package", body = std::collections::BTreeMap<String, String>),
        (status = 404, description = "No such image", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn manifest_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, LegacyError> {
    let record = record_of(&state, &hash).await?;
    let built = record.facts.ending.built().ok_or(ApiError::UnknownHash)?;
    Ok(json(StatusCode::OK, &built.manifest)?)
}

/// Requested packages of a finished image, for pages of 2018 and 2019
#[utoipa::path(
    method(get, head),
    path = "/api/v1/packages_hash/{packages_hash}",
    tag = "legacy",
    params(("packages_hash" = String, Path, description = "`packages_hash` of an image")),
    responses(
        (status = 200, description = "Names of packages", body = Vec<String>),
        (status = 404, description = "No such image", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn packages_hash_get(
    State(state): State<AppState>,
    Path(hash): Path<String>,
) -> Result<Response, LegacyError> {
    let record = record_of(&state, &hash).await?;
    Ok(json(StatusCode::OK, &record.facts.request.requested_packages())?)
}

/// The successful build with this name. A private one is only found by its whole request hash.
///
/// # Errors
/// If there is none whose files are kept, or if the database is unavailable.
pub async fn record_of(state: &AppState, name: &str) -> Result<BuildRecord, ApiError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        return Err(ApiError::UnknownHash);
    }
    let _place = state.budgets.enter(Budget::Poll)?;
    let found = if name.len() == HASH_DIGITS {
        let hash: RequestHash = name.parse().map_err(|_| ApiError::UnknownHash)?;
        state.database.newest_by_hash(&hash).await?
    } else {
        let found = state.database.build_by_uid(name).await?;
        found.filter(|record| !record.facts.is_private())
    };
    found.filter(is_kept).ok_or(ApiError::UnknownHash)
}

fn is_kept(record: &BuildRecord) -> bool {
    record.files_deleted_at.is_none() && record.facts.ending.built().is_some()
}

/// What pages show of a build that made images.
///
/// # Errors
/// If it made none, or while no catalog is known.
pub fn image(state: &AppState, record: &BuildRecord) -> Result<LegacyImage, ApiError> {
    let facts = &record.facts;
    let built = facts.ending.built().ok_or(ApiError::UnknownHash)?;
    let request = &facts.request;
    let catalog = state.catalog.current()?;
    let distribution = catalog.catalog().distribution(&request.distribution);
    let version = distribution.and_then(|all| all.version(&request.version));
    let alias = distribution.zip(version).map(|(all, version)| offer::version_title(all, version));
    let hash = paths::image_hash(facts);
    let started = facts.times.started.unwrap_or(facts.times.created);
    let names = built.files.iter().map(|file| file.name.as_str());
    let picked = sysupgrade::pick(names, request.profile.as_str());
    Ok(LegacyImage {
        id: hash.clone(),
        manifest_hash: hash.clone(),
        packages_hash: hash.clone(),
        defaults_hash: facts.is_private().then(|| hash.clone()),
        image_hash: hash,
        distro: request.distribution.clone(),
        distro_alias: distribution.map_or(request.distribution.as_str(), offer::title).to_owned(),
        version: request.version.clone(),
        version_alias: alias.unwrap_or(&request.version).to_owned(),
        target: request.target.to_string(),
        subtarget: request.target.parts().1.to_owned(),
        profile: request.profile.to_string(),
        model: model(&built.profile).unwrap_or_else(|| request.profile.to_string()),
        build_date: iso(facts.times.finished),
        sysupgrade: picked.unwrap_or_default().to_owned(),
        image_status: "untested",
        status: "untested",
        build_seconds: facts.times.finished.duration_since(started).as_secs().max(0),
        snapshots: version.is_some_and(|version| version.snapshot),
        files: paths::folder(facts),
    })
}

/// The first display name in the ImageBuilder's data of the profile.
fn model(profile: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    let title = profile.get("titles")?.as_array()?.first()?;
    let parts = ["title", "vendor", "model", "variant"].into_iter();
    let parts: Vec<&str> = parts.filter_map(|part| title.get(part)?.as_str()).collect();
    Some(parts.join(" ")).filter(|name| !name.is_empty())
}
