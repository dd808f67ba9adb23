//! Values that tests write.

use asu_core::{
    catalog::{Branch, Distribution, ImageBuilder, Offer, Profile, Target, Version},
    catalog_documents::CatalogDocuments,
    digest::Digest,
    failure::{Failure, FailureReason},
    request::{DefaultsDigest, Request},
    result::{Built, StoredFile},
};
use asu_store::model::{BuildEvent, Ending, EventKind, LogRecord, NewArchive};
use asu_tests::given;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Hours after a fixed moment, with a fraction that Postgres can hold.
pub fn at(hours: i64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_123_456).unwrap() + SignedDuration::from_hours(hours)
}

/// A digest of any kind.
pub fn hash<T: From<Digest>>(text: &str) -> T {
    Digest::of(text.as_bytes()).into()
}

pub fn request() -> Request {
    given::request("8dev_carambola2", &["luci", "vim"])
}

pub fn private() -> Request {
    Request {
        defaults: Some(DefaultsDigest { sha256: hash("uci set wireless.key=secret"), length: 27 }),
        ..request()
    }
}

pub fn built(key: &str) -> Built {
    let file = |name: &str, size| StoredFile {
        name: name.into(),
        size,
        sha256: hash(&format!("{key}{name}")),
    };
    let profile = json!({"version_code": "r1", "id": "x", "arch": "mips", "b": 1, "a": 2});
    let files = vec![file("openwrt-factory.bin", 7), file("openwrt-sysupgrade.bin", 9)];
    Built {
        packages: ["luci", "vim"].map(|name| name.parse().unwrap()).into(),
        commands: vec![vec!["make".into(), "image".into()]],
        profile: profile.as_object().unwrap().clone(),
        ..given::built(hash(key), files)
    }
}

fn archive(uid: &str, request: Request, ending: Ending, finished: i64) -> NewArchive {
    let event = |reason: &str, kind| BuildEvent {
        at: at(finished),
        kind,
        reason: reason.into(),
        message: format!("{reason} happened"),
    };
    let mut archive = given::record(uid, request, ending, at(finished));
    archive.events = vec![
        event("Queued", EventKind::Normal),
        event("Retried", EventKind::Warning),
        event("Finished", EventKind::Normal),
    ];
    let facts = &mut archive.facts;
    facts.request_hash = hash("request");
    facts.version_code = "r29197-ab4c7d6af7".into();
    facts.catalog_revision = 3;
    facts.attempt = 2;
    facts.times.created = at(finished - 3);
    facts.times.queued = Some(at(finished - 2));
    facts.times.admitted = Some(at(finished - 1));
    facts.fresh_until = at(finished + 1);
    facts.keep_until = at(finished + 10);
    facts.log = Some(LogRecord {
        key: format!("logs/{uid}.zst"),
        size: 100,
        text_bytes: 1000,
        truncated: true,
    });
    facts.millis = [("make".to_owned(), 1234)].into();
    archive
}

/// A success with the files of `key`.
pub fn success(uid: &str, key: &str, finished: i64) -> NewArchive {
    archive(uid, request(), Ending::Succeeded(built(key)), finished)
}

pub fn private_success(uid: &str, key: &str, finished: i64) -> NewArchive {
    archive(uid, private(), Ending::Succeeded(built(key)), finished)
}

pub fn failure(uid: &str, finished: i64) -> NewArchive {
    let failure = Failure::new(FailureReason::ImageTooBig, "8 MiB too big");
    archive(uid, request(), Ending::Failed(failure), finished)
}

/// The same for another request.
pub fn of_request(mut build: NewArchive, request: &str) -> NewArchive {
    build.facts.request_hash = hash(request);
    build
}

pub fn offer() -> Offer {
    Offer {
        public_url: "https://downloads.example".into(),
        latest: vec!["24.10.7".into()],
        allow_defaults: true,
        max_defaults_length: 20_480,
        max_rootfs_size_mb: 1024,
        repository_allow_list: vec!["https://feeds.example/".into()],
        package_changes: serde_json::from_value(
            json!([{"source": "a", "target": "b", "revision": 5}]),
        )
        .unwrap(),
        branches: vec![Branch {
            name: "24.10".into(),
            path: "releases/{version}".into(),
            snapshot: false,
            branch_off_rev: Some(28_000),
            versions: vec!["24.10.7".into()],
        }],
        board_renames: vec![],
        network_profiles: vec![],
        default_packages: vec![],
        title: String::new(),
        description: None,
        version_titles: std::collections::BTreeMap::new(),
    }
}

pub fn version(name: &str, profiles: &[&str]) -> Version {
    let target = Target {
        sysupgrade: Some(true),
        name: "ath79/generic".parse().unwrap(),
        arch: "mips_24kc".into(),
        version_code: "r29197-ab4c7d6af7".into(),
        source_date_epoch: 1_790_000_000,
        profiles: profiles.iter().map(|id| profile(id)).collect(),
        image_builder: ImageBuilder {
            file: format!("openwrt-imagebuilder-{name}.tar.zst"),
            sha256: hash(name),
        },
    };
    let arch = [("ath79/generic", "mips_24kc"), ("x86/64", "x86_64")];
    Version {
        name: name.into(),
        branch: "24.10".into(),
        path: format!("releases/{name}"),
        snapshot: false,
        targets: arch.map(|(t, a)| (t.parse().unwrap(), a.to_owned())).into(),
        ready: [(target.name.clone(), target)].into(),
    }
}

/// No documents.
pub fn none() -> CatalogDocuments {
    CatalogDocuments::default()
}

/// The versions of a distribution that was read back.
pub fn plain(distribution: &Distribution) -> Vec<Version> {
    distribution.versions.iter().map(|version| (**version).clone()).collect()
}

fn profile(id: &str) -> Profile {
    Profile { id: id.parse().unwrap(), aliases: vec![format!("vendor_{id}")] }
}
