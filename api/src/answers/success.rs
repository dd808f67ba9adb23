//! 200: a finished image.

use asu_core::result::Built;
use asu_store::model::BuildFacts;
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::{Map, Value, json};

use super::request::request;

/// The body: what the ImageBuilder says of the profile, overlaid with what this system says.
pub(super) fn body(facts: &BuildFacts, built: &Built) -> Value {
    let mut body = built.profile.clone();
    for (key, fallback) in [
        ("version_code", json!(facts.version_code)),
        ("version_number", json!(facts.request.version)),
        ("titles", json!([])),
    ] {
        body.entry(key).or_insert(fallback);
    }
    let images = images(&body, built);
    let build_at = built_at(&body, facts);
    let ours = json!({
        "status": 200,
        "detail": "done",
        "imagebuilder_status": "done",
        "request_hash": facts.request_hash,
        // Not the request hash: an answer must lead to its own files even after the same request
        // was built anew.
        "bin_dir": built.build_key,
        "id": facts.request.profile,
        "target": facts.request.target,
        "build_at": build_at,
        "enqueued_at": iso(facts.times.created),
        "request": request(&facts.request),
        "images": images,
        "manifest": built.manifest,
        "build_cmd": built.commands.last().cloned().unwrap_or_default(),
        "build_cmd_packages": built.packages,
        "stdout": "",
        "stderr": "",
    });
    if let Value::Object(ours) = ours {
        body.extend(ours);
    }
    Value::Object(body)
}

/// The images that are stored, with the digests of what is stored.
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

/// Time of the sources: every build of one revision has the same.
fn built_at(profile: &Map<String, Value>, facts: &BuildFacts) -> String {
    let seconds = profile.get("source_date_epoch").and_then(Value::as_i64);
    iso(seconds.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(facts.times.finished))
}

/// ISO 8601 in UTC with microseconds and `Z`.
pub(super) fn iso(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    PRINTER.timestamp_to_string(&time)
}
