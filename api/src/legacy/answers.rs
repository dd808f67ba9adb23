//! Answers for builds in the older API. The types are also the schemas of the OpenAPI document.

use asu_core::{
    failure::{Failure, FailureReason},
    legacy::{
        key::{Key, Kind, Manner, Style},
        sysupgrade,
    },
    result::Built,
};
use asu_store::model::{BuildFacts, BuildRecord, Ending};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::paths;
use crate::{answers::FinishedAnswer, error::ApiError};

/// Stands for the URL of the server in answers that are kept in memory. No text of a build contains it.
pub const SERVER: &str = "\u{f8ff}server";

/// The statuses of builds that ended without a wanted image.
const NO_SYSUPGRADE: u16 = 501;

/// A finished image.
#[derive(Serialize, ToSchema)]
pub struct LegacyFinished {
    /// The file for sysupgrade: its name, or its URL for clients that send a `subtarget`. Absent if there is
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    sysupgrade: Option<String>,
    /// Path or URL of the folder of all files.
    files: String,
    /// Path or URL of the log.
    log: String,
    /// Names the request.
    request_hash: String,
    /// Names the build.
    image_hash: String,
}

/// A failed build.
#[derive(Serialize, ToSchema)]
pub struct LegacyFailed {
    /// One sentence.
    error: String,
    /// Path or URL of the log.
    log: String,
    /// Names the request.
    request_hash: String,
    /// HTTP status.
    status: u16,
    /// As `error`.
    detail: String,
}

/// A build that waits or runs.
#[derive(Serialize, ToSchema)]
pub struct LegacyWaiting {
    /// Names the request from now on.
    pub request_hash: String,
}

/// Renders the answer for an archived build. Clients that expect URLs get it with [`SERVER`] in their
/// places.
///
/// # Errors
/// When it cannot be serialized.
pub fn finished(record: &BuildRecord, manner: Manner) -> Result<FinishedAnswer, ApiError> {
    let facts = &record.facts;
    match &facts.ending {
        Ending::Succeeded(built) => success(facts, built, manner),
        Ending::Failed(failure) => failed(facts, failure, manner),
    }
}

fn success(facts: &BuildFacts, built: &Built, manner: Manner) -> Result<FinishedAnswer, ApiError> {
    let names = built.files.iter().map(|file| file.name.as_str());
    let picked = sysupgrade::pick(names, facts.request.profile.as_str());
    let (server, folder) = (server(manner), paths::folder(facts));
    let log = format!("{server}/download/{folder}/{}", paths::log_name(facts));
    if picked.is_none() && manner.kind == Kind::Upgrade {
        let error = "the device has no image for sysupgrade".to_owned();
        return problem(facts, manner, NO_SYSUPGRADE, error, log);
    }
    let sysupgrade = picked.map(|name| match manner.style {
        Style::Joined => name.to_owned(),
        Style::Split => format!("{server}/download/{folder}/{name}"),
    });
    let body = LegacyFinished {
        sysupgrade,
        files: format!("{server}/json/{folder}/"),
        log,
        request_hash: key(facts, manner),
        image_hash: paths::image_hash(facts),
    };
    answer(StatusCode::OK, &body)
}

fn failed(
    facts: &BuildFacts,
    failure: &Failure,
    manner: Manner,
) -> Result<FinishedAnswer, ApiError> {
    let status = match failure.reason {
        FailureReason::PackageSelection | FailureReason::PackageVersion => 409,
        FailureReason::ImageTooBig => 413,
        _ => 500,
    };
    let log = format!("{}/download/faillogs/faillog-{}.txt", server(manner), key(facts, manner));
    problem(facts, manner, status, failure.detail.clone(), log)
}

fn problem(
    facts: &BuildFacts,
    manner: Manner,
    status: u16,
    error: String,
    log: String,
) -> Result<FinishedAnswer, ApiError> {
    let detail = error.clone();
    let body = LegacyFailed { error, log, request_hash: key(facts, manner), status, detail };
    answer(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &body)
}

fn server(manner: Manner) -> &'static str {
    match manner.style {
        Style::Joined => "",
        Style::Split => SERVER,
    }
}

fn key(facts: &BuildFacts, manner: Manner) -> String {
    Key { hash: facts.request_hash, manner }.to_string()
}

fn answer(status: StatusCode, body: &impl Serialize) -> Result<FinishedAnswer, ApiError> {
    let body = serde_json::to_vec(body).map_err(|_| ApiError::Internal)?;
    Ok(FinishedAnswer { status, body: Bytes::from(body) })
}
