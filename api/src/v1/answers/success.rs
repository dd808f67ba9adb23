//! The answer 200: a finished image.

use std::collections::BTreeMap;

use asu_core::{names::PackageSpec, result::Built};
use asu_store::model::BuildFacts;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{iso, request::RequestInAnswer};
use crate::error::ApiError;

/// A finished image. Also has what the ImageBuilder's profiles.json says of the profile.
#[derive(Serialize, ToSchema)]
pub struct Finished<'a> {
    /// Revision of the image.
    #[schema(value_type = String)]
    version_code: Value,
    /// Version of the image.
    #[schema(value_type = String)]
    version_number: Value,
    /// Names of the device.
    #[schema(value_type = Vec<Object>)]
    titles: Value,
    /// 200.
    status: u16,
    /// `done`.
    detail: &'static str,
    /// `done`.
    imagebuilder_status: &'static str,
    /// Names the request.
    request_hash: String,
    /// Folder of exactly these images below /store. Not the request hash: an answer must lead to its
    /// own files even after the same request was built anew.
    bin_dir: String,
    /// Canonical profile.
    id: &'a str,
    /// target/subtarget.
    target: &'a str,
    /// Time of the sources.
    build_at: String,
    /// When it was asked for.
    enqueued_at: String,
    /// The request in canonical form.
    request: RequestInAnswer<'a>,
    /// The images.
    #[schema(value_type = Vec<Image>)]
    images: Vec<Value>,
    /// Package name to version.
    manifest: &'a BTreeMap<String, String>,
    /// Command that made it.
    build_cmd: &'a [String],
    /// Packages that make was given.
    #[schema(value_type = Vec<String>)]
    build_cmd_packages: &'a [PackageSpec],
    /// Empty: the log of an image is at its own address.
    stdout: &'static str,
    /// Empty.
    stderr: &'static str,
}

/// One image. Also has whatever else profiles.json says of it.
#[derive(Serialize, ToSchema)]
pub struct Image {
    /// File name.
    name: String,
    /// For example sysupgrade.
    r#type: String,
    /// For example squashfs.
    filesystem: Option<String>,
    /// Digest of the file.
    sha256: String,
    /// Digest before signatures were added.
    sha256_unsigned: String,
}

/// Makes the body: the ImageBuilder's data of the profile, overridden by the fields of this system.
pub(super) fn body(facts: &BuildFacts, built: &Built) -> Result<Value, ApiError> {
    let mut body = built.profile.clone();
    let listed = |key: &str, fallback: Value| body.get(key).cloned().unwrap_or(fallback);
    let ours = Finished {
        version_code: listed("version_code", json!(facts.version_code)),
        version_number: listed("version_number", json!(facts.request.version)),
        titles: listed("titles", json!([])),
        status: 200,
        detail: "done",
        imagebuilder_status: "done",
        request_hash: facts.request_hash.to_string(),
        bin_dir: built.build_key.to_string(),
        id: facts.request.profile.as_str(),
        target: facts.request.target.as_str(),
        build_at: built_at(&body, facts),
        enqueued_at: iso(facts.times.created),
        request: RequestInAnswer::from(&facts.request),
        images: images(&body, built),
        manifest: &built.manifest,
        build_cmd: built.commands.last().map(Vec::as_slice).unwrap_or_default(),
        build_cmd_packages: &built.packages,
        stdout: "",
        stderr: "",
    };
    match serde_json::to_value(ours) {
        Ok(Value::Object(ours)) => body.extend(ours),
        _ => return Err(ApiError::Internal),
    }
    Ok(Value::Object(body))
}

/// The stored images, with the digests of the stored files.
fn images(profile: &Map<String, Value>, built: &Built) -> Vec<Value> {
    let listed = profile.get("images").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    listed
        .iter()
        .filter_map(|image| {
            let mut image = image.as_object()?.clone();
            let name = image.get("name")?.as_str()?;
            let file = built.files.iter().find(|file| file.name == name)?;
            let digest = json!(file.sha256);
            image.entry("sha256_unsigned").or_insert_with(|| digest.clone());
            image.insert("sha256".to_owned(), digest);
            Some(Value::Object(image))
        })
        .collect()
}

/// Time of the sources, which is the same for all builds of a revision.
fn built_at(profile: &Map<String, Value>, facts: &BuildFacts) -> String {
    let seconds = profile.get("source_date_epoch").and_then(Value::as_i64);
    iso(seconds.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(facts.times.finished))
}
