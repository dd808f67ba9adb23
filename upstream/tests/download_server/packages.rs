//! Tests of reading the packages of a target, in all formats of servers.

use std::{fmt::Write as _, io::Write as _};

use asu_core::{catalog_documents::TargetDocuments, digest::Digest, package_index::PackageIndex};
use asu_upstream::{CatalogRead, Memory, ReadRequest, Trust, read_catalog};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::server::{Kept, Reply, Server, client};

const TARGET: &str = "ath79/generic";
const KMODS: &str = "kmods/6.6.110-1-0d1e2f3a";
const STANZAS: &str = "Package: libubox20240329\nVersion: 2024-r1\nABIVersion: 20240329\n\nPackage: mtd\nVersion: 27\n";

fn path(file: &str) -> String {
    format!("releases/24.10.7/targets/{TARGET}/{file}")
}

fn profiles() -> Vec<u8> {
    // With unknown fields, in an unusual order.
    let text = r#"{"metadata_version":1,"arch_packages":"mips_24kc","target":"ath79/generic",
        "linux_kernel":{"version":"6.6.110","release":"1","vermagic":"0d1e2f3a"},
        "profiles":{"box":{"images":[],"image_prefix":"x","supported_devices":["maker,box"]}},
        "source_date_epoch":1700000000,"version_code":"r1-aa","version_number":"24.10.7"}"#;
    text.as_bytes().to_vec()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn index(version: Option<u32>, packages: &serde_json::Value) -> Vec<u8> {
    let mut index = json!({"architecture": "mips_24kc", "packages": packages});
    if let Some(version) = version {
        index["version"] = json!(version);
    }
    index.to_string().into_bytes()
}

/// A server with one target that has these files, all of which are in its list.
fn start(files: &[(&str, Vec<u8>)]) -> Server {
    let server = Server::start();
    server.body("releases/24.10.7/.targets.json", json!({TARGET: "mips_24kc"}).to_string());
    server.body(&path("profiles.json"), profiles());
    let mut sums = format!(
        "{} *openwrt-imagebuilder-ath79-generic.Linux-x86_64.tar.zst\n{} *profiles.json\n",
        "0".repeat(64),
        Digest::of(&profiles()),
    );
    for (file, content) in files {
        writeln!(sums, "{} *{file}", Digest::of(content)).unwrap();
        server.body(&path(file), content.clone());
    }
    server.body(&path("sha256sums"), sums);
    server
}

fn request() -> ReadRequest {
    ReadRequest {
        version: "24.10.7".into(),
        branch: "24.10".into(),
        path: "releases/24.10.7".into(),
        snapshot: false,
        targets: None,
        excluded: vec![],
        trust: Trust::Unsigned,
        offered: [].into(),
        accepted: Vec::new(),
        memory: Memory::default(),
        pool: asu_core::profile_pool::ProfilePool::default(),
    }
}

async fn read(servers: &[&Server], kept: &Kept) -> CatalogRead {
    let read = read_catalog(&client(servers), &request(), kept).await.unwrap();
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    assert!(read.version.ready.contains_key(TARGET), "the target is offered in any case");
    read
}

/// The stored versions by name.
async fn versions(server: &Server) -> serde_json::Value {
    let kept = Kept::default();
    let read = read(&[server], &kept).await;
    assert!(read.unread_packages.is_empty(), "{:?}", read.unread_packages);
    let packages = read.documents[TARGET].packages.unwrap();
    let index: PackageIndex = serde_json::from_slice(&kept.get(&packages)).unwrap();
    assert_eq!(index.architecture, "mips_24kc");
    json!(index.versions())
}

/// Why the packages could not be read.
async fn problem(server: &Server) -> String {
    let read = read(&[server], &Kept::default()).await;
    assert_eq!(read.documents[TARGET].packages, None);
    let problem = &read.unread_packages[TARGET];
    format!("{}: {problem}", problem.reason())
}

#[tokio::test]
async fn the_profiles_are_stored_byte_for_byte() {
    let server = start(&[("packages/index.json", index(Some(2), &json!({})))]);
    let kept = Kept::default();
    let read = read(&[&server], &kept).await;
    assert_eq!(kept.get(&read.documents[TARGET].profiles), profiles());
}

#[tokio::test]
async fn the_kernel_modules_of_a_target_are_merged_with_its_packages() {
    let server = start(&[
        ("packages/index.json", index(Some(2), &json!({"mtd": "27"}))),
        (&format!("{KMODS}/index.json"), index(Some(2), &json!({"kmod-usb2": "6.6.110-r1"}))),
        ("kmods/6.6.100-1-ffff/index.json", index(Some(2), &json!({"kmod-old": "1"}))),
    ]);
    assert_eq!(versions(&server).await, json!({"mtd": "27", "kmod-usb2": "6.6.110-r1"}));
    assert!(!server.asked().iter().any(|path| path.contains("Packages")));
}

#[tokio::test]
async fn a_target_without_a_folder_of_kernel_modules_is_read() {
    let server = start(&[("packages/index.json", index(Some(2), &json!({"kmod-usb2": "1"})))]);
    assert_eq!(versions(&server).await, json!({"kmod-usb2": "1"}));
}

#[tokio::test]
async fn a_signed_folder_of_kernel_modules_must_exist() {
    let kmods = format!("{KMODS}/index.json");
    let server = start(&[
        ("packages/index.json", index(Some(2), &json!({}))),
        (&kmods, index(Some(2), &json!({}))),
    ]);
    server.set(&path(&kmods), Reply::Status(404));
    let problem = problem(&server).await;
    assert!(problem.starts_with("NotFound") && problem.contains(&kmods), "{problem}");
}

#[tokio::test]
async fn the_index_of_opkg_is_read_if_index_json_has_names_with_suffix() {
    let old = || ("packages/index.json", index(None, &json!({"libubox20240329": "2024-r1"})));
    let expected = json!({"libubox": "2024-r1", "mtd": "27"});
    let gzipped = start(&[old(), ("packages/Packages.gz", gzip(STANZAS))]);
    assert_eq!(versions(&gzipped).await, expected);
    let plain = start(&[old(), ("packages/Packages", STANZAS.into())]);
    assert_eq!(versions(&plain).await, expected);
    let missing = start(&[("packages/Packages.gz", gzip(STANZAS))]);
    assert_eq!(versions(&missing).await, expected, "without any index.json");
    let alone = start(&[old()]);
    assert_eq!(versions(&alone).await, json!({"libubox20240329": "2024-r1"}));
}

#[tokio::test]
async fn an_index_with_another_digest_than_the_signed_one_is_reported_by_url() {
    for (file, forged) in [
        ("packages/index.json", index(Some(2), &json!({"mtd": "28"}))),
        (&*format!("{KMODS}/index.json"), index(Some(2), &json!({"kmod-x": "1"}))),
    ] {
        let server = start(&[
            ("packages/index.json", index(Some(2), &json!({"mtd": "27"}))),
            (&format!("{KMODS}/index.json"), index(Some(2), &json!({}))),
        ]);
        server.body(&path(file), forged);
        let problem = problem(&server).await;
        assert!(problem.starts_with("BadChecksum: http://"), "{problem}");
        assert!(problem.contains(file), "{problem}");
    }
    let server = start(&[
        ("packages/index.json", index(None, &json!({"mtd": "27"}))),
        ("packages/Packages.gz", gzip(STANZAS)),
    ]);
    server.body(&path("packages/Packages.gz"), gzip("Package: mtd\nVersion: 28\n"));
    assert!(problem(&server).await.starts_with("BadChecksum"), "no other form replaces it");
}

#[tokio::test]
async fn an_index_that_is_not_in_the_list_is_accepted_without_a_digest() {
    let server = start(&[]);
    server.body(&path("packages/index.json"), index(Some(2), &json!({"mtd": "27"})));
    assert_eq!(versions(&server).await, json!({"mtd": "27"}));
}

#[tokio::test]
async fn a_target_with_a_hostile_or_broken_index_is_still_offered() {
    let elsewhere = Server::start();
    elsewhere.body("x", index(Some(2), &json!({"mtd": "666"})));
    let to_elsewhere = format!("{}x", elsewhere.url());
    for (reply, reason) in [
        (Reply::Body(b"<html>".to_vec()), "Malformed"),
        (
            Reply::Body(br#"{"version":2,"architecture":"mips_24kc","packages":{"#.to_vec()),
            "Malformed",
        ),
        (Reply::Truncated(b"{".to_vec()), "DownloadFailed"),
        (Reply::Endless, "TooLarge"),
        (Reply::Status(503), "UpstreamUnavailable"),
        (Reply::Status(404), "NotFound"),
        (
            Reply::Body(br#"{"version":2,"architecture":"x86_64","packages":{}}"#.to_vec()),
            "AnotherDocument",
        ),
    ] {
        let server = start(&[]);
        server.set(&path("packages/index.json"), reply);
        let problem = problem(&server).await;
        assert!(problem.starts_with(reason), "{reason}: {problem}");
    }
    let server = start(&[("packages/index.json", index(Some(2), &json!({"mtd": "27"})))]);
    server.set(&path("packages/index.json"), Reply::Redirect(to_elsewhere));
    assert!(
        problem(&server).await.starts_with("BadChecksum"),
        "a redirect changes nothing of that"
    );
}

#[tokio::test]
async fn an_invalid_name_is_reported_and_the_others_are_read() {
    let packages = json!({"mtd": "27", "../x": "1", "n".repeat(1 << 20): "1"});
    let server = start(&[("packages/index.json", index(Some(2), &packages))]);
    let kept = Kept::default();
    let read = read(&[&server], &kept).await;
    assert!(read.documents[TARGET].packages.is_some());
    let fault = read.faults[TARGET].to_string();
    assert!(fault.contains("bad package name") && fault.len() < 400, "{fault}");
}

#[tokio::test]
async fn a_target_is_read_from_the_next_mirror_if_the_first_has_a_bad_index() {
    let good = || start(&[("packages/index.json", index(Some(2), &json!({"mtd": "27"})))]);
    let (first, second) = (good(), good());
    first.body(&path("packages/index.json"), "garbage");
    let read = read(&[&first, &second], &Kept::default()).await;
    assert!(read.unread_packages.is_empty(), "{:?}", read.unread_packages);
    assert_eq!(read.faults[TARGET].reason(), "BadChecksum");
}

#[tokio::test]
async fn indexes_are_read_again_only_if_the_signed_list_changed() {
    let server = start(&[("packages/index.json", index(Some(2), &json!({"mtd": "27"})))]);
    let kept = Kept::default();
    let first = read(&[&server], &kept).await;
    server.forget();
    let again = ReadRequest { memory: first.memory, ..request() };
    let second = read_catalog(&client(&[&server]), &again, &kept).await.unwrap();
    assert_eq!(second.documents, first.documents);
    let all: Vec<TargetDocuments> = second.documents.values().copied().collect();
    assert!(matches!(all[..], [TargetDocuments { packages: Some(_), .. }]));
    let mut asked = server.asked();
    asked.sort();
    assert_eq!(asked, ["releases/24.10.7/.targets.json".to_owned(), path("sha256sums")]);
}

#[tokio::test]
async fn an_index_that_could_not_be_read_is_requested_again_although_the_list_is_unchanged() {
    let server = start(&[("packages/index.json", index(Some(2), &json!({"mtd": "27"})))]);
    server.set(&path("packages/index.json"), Reply::Status(404));
    let first = read(&[&server], &Kept::default()).await;
    server.body(&path("packages/index.json"), index(Some(2), &json!({"mtd": "27"})));
    let again = ReadRequest { memory: first.memory, ..request() };
    let second = read_catalog(&client(&[&server]), &again, &Kept::default()).await.unwrap();
    assert!(second.documents[TARGET].packages.is_some());
}

#[tokio::test]
async fn another_process_skips_unchanged_targets_if_it_has_the_same_target_and_keys() {
    let server = start(&[("packages/index.json", index(Some(2), &json!({"mtd": "27"})))]);
    let first = read(&[&server], &Kept::default()).await;
    let text = serde_json::to_string(&first.memory.validators()).unwrap();
    let other_keys = Trust::Keys(Vec::new());
    let mut other_target = first.version.clone();
    other_target.ready.get_mut(TARGET).unwrap().image_builder.sha256 = Digest::of(b"x").into();
    for (trust, version, skips) in [
        (&Trust::Unsigned, &first.version, true),
        (&other_keys, &first.version, false),
        (&Trust::Unsigned, &other_target, false),
    ] {
        let validators = serde_json::from_str(&text).unwrap();
        let memory = Memory::restored(validators, trust, version, &first.documents);
        server.forget();
        let again = ReadRequest { memory, ..request() };
        let second = read_catalog(&client(&[&server]), &again, &Kept::default()).await.unwrap();
        assert_eq!(second.version, first.version);
        assert_eq!(!server.asked().contains(&path("profiles.json")), skips);
    }
}
