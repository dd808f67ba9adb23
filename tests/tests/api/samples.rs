//! What the tests put into the database and the store.

use asu_core::{
    build_key::BuildKey,
    digest::Digest,
    failure::{Failure, FailureReason},
    request::Request,
    request_hash::RequestHash,
    result::{Built, StoredFile},
};
use asu_store::model::{BuildFacts, BuildTimes, Ending, LogRecord, NewArchive};
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
    NewArchive {
        facts: BuildFacts {
            uid: uid.into(),
            request_hash: *hash,
            request,
            version_code: VERSION_CODE.into(),
            catalog_revision: 1,
            attempt: 1,
            ending,
            times: BuildTimes {
                created: in_minutes(-3),
                queued: None,
                admitted: None,
                started: None,
                finished: in_minutes(-1),
            },
            fresh_until: in_minutes(60),
            keep_until: in_minutes(24 * 60),
            log: Some(LogRecord {
                key: format!("logs/{uid}.zst"),
                size: log.len() as u64,
                text_bytes: LOG.len() as u64,
                truncated: false,
            }),
            millis: [].into(),
        },
        events: vec![],
        archived_at: now(),
    }
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
        build_key: *key,
        files: vec![StoredFile {
            name: IMAGE.into(),
            size: image.len() as u64,
            sha256: Digest::of(image),
        }],
        manifest: [("luci".to_owned(), "1".to_owned())].into(),
        packages: ["luci", "vim"].map(|name| name.parse().unwrap()).into(),
        commands: vec![vec!["make".into(), "manifest".into()], vec!["make".into(), "image".into()]],
        profile: profile.as_object().unwrap().clone(),
    })
}

pub fn failure(reason: FailureReason) -> Ending {
    Ending::Failed(Failure::new(reason, "Impossible package selection: missing (nope)"))
}

/// Text as the store keeps it.
pub fn zstd_of(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}
