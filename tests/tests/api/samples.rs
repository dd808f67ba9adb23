//! What the tests put into the database and the store.

use asu_core::{
    build_key::BuildKey,
    failure::{Failure, FailureReason},
    request::Request,
    request_hash::RequestHash,
    result::Built,
};
use asu_store::model::{Ending, LogRecord, NewArchive};
use asu_tests::given;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub const IMAGE: &str = "openwrt-24.10.7-0123456789ab-ath79-generic-dev_a-squashfs-sysupgrade.bin";
pub const IMAGE_BYTES: &[u8] = b"hello image";
/// Revision of the one version.
pub const VERSION_CODE: &str = "r29197-ab4c7d6af7";
pub const LOG: &str = "line one\n\u{2}the build says why\n";

/// A request that the catalog allows.
pub fn body() -> Value {
    json!({
        "version": "24.10.7", "target": "ath79/generic", "profile": "dev,a",
        "packages": ["vim", "luci"], "client": "test/1",
    })
}

pub fn with(field: &str, value: Value) -> Value {
    let mut body = body();
    body[field] = value;
    body
}

pub fn now() -> Timestamp {
    Timestamp::now()
}

pub fn in_minutes(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

/// A build of `request` that ended a minute ago, fresh for an hour and kept for a day.
pub fn archive(uid: &str, hash: &RequestHash, request: Request, ending: Ending) -> NewArchive {
    let log = zstd_of(LOG);
    let mut archive = given::record(uid, request, ending, in_minutes(-1));
    let facts = &mut archive.facts;
    facts.request_hash = *hash;
    facts.version_code = VERSION_CODE.into();
    facts.times.created = in_minutes(-3);
    facts.fresh_until = in_minutes(60);
    facts.keep_until = in_minutes(24 * 60);
    facts.log = Some(LogRecord {
        key: format!("logs/{uid}.zst"),
        size: log.len() as u64,
        text_bytes: LOG.len() as u64,
        truncated: false,
    });
    archive.archived_at = now();
    archive
}

/// Build key of [`success`].
pub fn key() -> BuildKey {
    BuildKey::of(b"key")
}

pub fn success() -> Ending {
    success_of(&key(), IMAGE_BYTES)
}

/// A success with these bytes under this build key.
pub fn success_of(key: &BuildKey, image: &[u8]) -> Ending {
    let profile = json!({
        "metadata_version": 1, "arch_packages": "mips_24kc", "target": "ath79/generic",
        "version_code": VERSION_CODE, "version_number": "24.10.7",
        "source_date_epoch": 1_744_562_312,
        "titles": [{"vendor": "Dev", "model": "A"}],
        "images": [
            {"name": IMAGE, "type": "sysupgrade", "filesystem": "squashfs", "sha256": "0".repeat(64)},
            {"name": "not-stored.bin", "type": "factory", "filesystem": "squashfs"},
        ],
    });
    Ending::Succeeded(Built {
        packages: ["luci", "vim"].map(|name| name.parse().unwrap()).into(),
        commands: vec![vec!["make".into(), "manifest".into()], vec!["make".into(), "image".into()]],
        profile: profile.as_object().unwrap().clone(),
        ..given::built(*key, vec![given::file(IMAGE, image)])
    })
}

pub fn failure(reason: FailureReason) -> Ending {
    Ending::Failed(Failure::new(reason, "Impossible package selection: missing (nope)"))
}

/// Text as the store keeps it.
pub fn zstd_of(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}
