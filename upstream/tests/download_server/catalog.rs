//! Tests of reading a version from a server, with every kind of error in one of its targets.

use std::collections::BTreeMap;

use crate::server::{Kept, Reply, Server, client, usign};
use asu_core::catalog::TarballDigest;
use asu_core::digest::Digest;
use asu_upstream::{CatalogRead, Memory, ReadRequest, Trust, UsignPublicKey, read_catalog};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

const GOOD: &str = "ath79/generic";
const OTHER: &str = "x86/64";

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn trust() -> Trust {
    Trust::Keys(vec![UsignPublicKey::parse(&usign(signer().verifying_key().as_bytes())).unwrap()])
}

fn path(target: &str, file: &str) -> String {
    format!("releases/24.10.7/targets/{target}/{file}")
}

fn profiles(target: &str, code: &str) -> Vec<u8> {
    let value = json!({
        "arch_packages": "mips_24kc", "default_packages": ["base-files"], "target": target,
        "profiles": {"box": {"supported_devices": ["maker,box"], "titles": [{"title": "Box"}]}},
        "source_date_epoch": "1700000000", "version_code": code, "version_number": "24.10.7",
    });
    value.to_string().into_bytes()
}

fn image_builder(target: &str) -> String {
    format!("openwrt-imagebuilder-{}.Linux-x86_64.tar.zst", target.replace('/', "-"))
}

fn put_sums(server: &Server, target: &str, sums: &str) {
    server.body(&path(target, "sha256sums"), sums);
    let signature = signer().sign(sums.as_bytes()).to_bytes();
    server.body(&path(target, "sha256sums.sig"), usign(&signature));
}

fn put(server: &Server, target: &str, code: &str) {
    let profiles = profiles(target, code);
    let sums = format!(
        "{} *{}\n{} *profiles.json\n",
        Digest::of(target.as_bytes()),
        image_builder(target),
        Digest::of(&profiles),
    );
    put_sums(server, target, &sums);
    server.body(&path(target, "profiles.json"), profiles);
    let packages = r#"{"version":2,"architecture":"mips_24kc","packages":{"base-files":"1"}}"#;
    server.body(&path(target, "packages/index.json"), packages);
}

fn start() -> Server {
    let server = Server::start();
    let targets = json!({GOOD: "mips_24kc", OTHER: "mips_24kc"}).to_string();
    server.body("releases/24.10.7/.targets.json", targets);
    put(&server, GOOD, "r1-aa");
    put(&server, OTHER, "r1-aa");
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
        trust: trust(),
        offered: BTreeMap::new(),
        accepted: Vec::new(),
        memory: Memory::default(),
        pool: asu_core::profile_pool::ProfilePool::default(),
    }
}

async fn read(server: &Server, request: &ReadRequest) -> CatalogRead {
    read_catalog(&client(&[server]), request, &Kept::default()).await.unwrap()
}

/// The error of the only target that failed.
async fn problem(server: &Server) -> String {
    let read = read(server, &request()).await;
    assert!(read.version.ready.contains_key(GOOD), "the other target is not touched");
    assert_eq!(read.problems.keys().collect::<Vec<_>>(), [OTHER]);
    let problem = &read.problems[OTHER];
    format!("{}: {problem}", problem.reason())
}

#[tokio::test]
async fn a_version_is_read_whole() {
    let read = read(&start(), &request()).await;
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    assert_eq!(read.version.targets.len(), 2);
    let target = &read.version.ready[GOOD];
    assert_eq!(target.version_code, "r1-aa");
    assert_eq!(target.source_date_epoch, 1_700_000_000);
    assert_eq!(target.profiles[0].aliases, ["maker_box"]);
    assert_eq!(target.image_builder.file, image_builder(GOOD));
    assert_eq!(target.image_builder.sha256, TarballDigest::of(GOOD.as_bytes()));
}

#[tokio::test]
async fn only_wanted_targets_are_read_and_offered() {
    let server = start();
    let request = ReadRequest { targets: Some(vec![GOOD.parse().unwrap()]), ..request() };
    let read = read(&server, &request).await;
    assert_eq!(read.version.ready.len(), 1);
    assert_eq!(read.version.targets.keys().collect::<Vec<_>>(), [GOOD]);
    assert!(!server.asked().iter().any(|path| path.contains(OTHER)));
}

#[tokio::test]
async fn excluded_targets_are_neither_read_nor_offered() {
    let server = start();
    for excluded in [OTHER, "x86/*"] {
        let excluded = vec![excluded.parse().unwrap()];
        let read = read(&server, &ReadRequest { excluded, ..request() }).await;
        assert_eq!(read.version.targets.keys().collect::<Vec<_>>(), [GOOD]);
    }
    assert!(!server.asked().iter().any(|path| path.contains(OTHER)));
}

#[tokio::test]
async fn a_wanted_target_that_is_not_listed_is_a_problem() {
    let request = ReadRequest { targets: Some(vec!["no/such".parse().unwrap()]), ..request() };
    let read = read(&start(), &request).await;
    assert_eq!(read.problems["no/such"].reason(), "NotFound");
}

#[tokio::test]
async fn a_version_without_its_list_of_targets_fails() {
    let server = start();
    server.set("releases/24.10.7/.targets.json", Reply::Status(404));
    let error = read_catalog(&client(&[&server]), &request(), &Kept::default()).await.unwrap_err();
    assert_eq!(error.reason(), "NotFound");
    server.body("releases/24.10.7/.targets.json", "{");
    let error = read_catalog(&client(&[&server]), &request(), &Kept::default()).await.unwrap_err();
    assert_eq!(error.reason(), "Malformed");
}

/// Serves another `profiles.json`, with a list that contains its digest and is signed.
fn put_another(server: &Server, file: &str, field: &str, said: &str) {
    let mut value: serde_json::Value = serde_json::from_slice(&profiles(OTHER, "r1-aa")).unwrap();
    value[field] = json!(said);
    let profiles = value.to_string().into_bytes();
    let sums = format!(
        "{} *{file}\n{} *profiles.json\n",
        Digest::of(OTHER.as_bytes()),
        Digest::of(&profiles),
    );
    put_sums(server, OTHER, &sums);
    server.body(&path(OTHER, "profiles.json"), profiles);
}

#[tokio::test]
async fn documents_signed_for_another_version_target_or_architecture_are_refused() {
    for (field, said) in [
        ("version_number", "24.10.0"),
        ("version_number", "SNAPSHOT"),
        ("target", GOOD),
        ("arch_packages", "x86_64"),
    ] {
        let server = start();
        put_another(&server, &image_builder(OTHER), field, said);
        let problem = problem(&server).await;
        let expected = format!("says of itself that it is of {said:?}");
        assert!(problem.starts_with("AnotherDocument: http://"), "{problem}");
        assert!(problem.contains(&expected), "{problem}");
    }
}

#[tokio::test]
async fn an_image_builder_with_the_name_of_another_version_or_target_is_refused() {
    for (name, good) in [
        ("24.10.0-x86-64", false),
        ("24.10.70-x86-64", false),
        ("24.10.7-ath79-generic", false),
        ("24.10.7-rc1-x86-64", false),
        ("24.10.7-x86-64", true),
        ("24.10.7-r29197-ab4c7d6af7-x86-64", true),
    ] {
        let server = start();
        let file = format!("openwrt-imagebuilder-{name}.Linux-x86_64.tar.zst");
        put_another(&server, &file, "target", OTHER);
        let read = read(&server, &request()).await;
        let problem = read.problems.get(OTHER).map(asu_upstream::UpstreamError::reason);
        assert_eq!(problem, (!good).then_some("AnotherDocument"), "{name}");
    }
}

#[tokio::test]
async fn a_list_beyond_the_size_limit_is_refused() {
    let server = start();
    put_sums(&server, OTHER, &"x".repeat((4 << 20) + 1));
    assert!(problem(&server).await.starts_with("TooLarge"));
}

#[tokio::test]
async fn a_list_that_is_not_signed_by_a_trusted_key_is_refused() {
    let server = start();
    let other = SigningKey::from_bytes(&[4; 32]).sign(b"x").to_bytes();
    server.body(&path(OTHER, "sha256sums.sig"), usign(&other));
    assert!(problem(&server).await.starts_with("BadSignature"));
    server.set(&path(OTHER, "sha256sums.sig"), Reply::Status(404));
    let problem = problem(&server).await;
    assert!(problem.starts_with("NotFound") && problem.contains("sha256sums.sig"), "{problem}");
}

#[tokio::test]
async fn a_list_that_was_changed_after_signing_is_refused() {
    let server = start();
    let sums = format!("{} *{}\n", "0".repeat(64), image_builder(OTHER));
    server.body(&path(OTHER, "sha256sums"), sums);
    assert!(problem(&server).await.starts_with("BadSignature"));
}

#[tokio::test]
async fn a_list_without_keys_is_refused_unless_signatures_are_not_checked() {
    let server = start();
    let none = ReadRequest { trust: Trust::Keys(Vec::new()), ..request() };
    assert_eq!(read(&server, &none).await.problems.len(), 2);
    server.set(&path(GOOD, "sha256sums.sig"), Reply::Status(404));
    let unsigned = ReadRequest { trust: Trust::Unsigned, ..request() };
    assert!(read(&server, &unsigned).await.problems.is_empty());
}

#[tokio::test]
async fn profiles_with_another_digest_than_in_the_signed_list_are_refused() {
    let server = start();
    server.body(&path(OTHER, "profiles.json"), profiles(OTHER, "r6-forged"));
    assert!(problem(&server).await.starts_with("BadChecksum"));
}

#[tokio::test]
async fn profiles_of_another_target_are_refused() {
    let server = start();
    let wrong = profiles(GOOD, "r1-aa");
    let sums = format!(
        "{} *{}\n{} *profiles.json\n",
        "0".repeat(64),
        image_builder(OTHER),
        Digest::of(&wrong)
    );
    put_sums(&server, OTHER, &sums);
    server.body(&path(OTHER, "profiles.json"), wrong);
    assert!(problem(&server).await.contains("is of \"ath79/generic\""));
}

#[tokio::test]
async fn a_problem_of_one_target_does_not_affect_others() {
    for (file, reply, reason) in [
        ("sha256sums", Reply::Status(503), "UpstreamUnavailable"),
        ("profiles.json", Reply::Status(503), "UpstreamUnavailable"),
        ("profiles.json", Reply::Status(404), "NotFound"),
        ("profiles.json", Reply::Truncated(b"{".to_vec()), "DownloadFailed"),
        ("sha256sums", Reply::Endless, "TooLarge"),
    ] {
        let server = start();
        server.set(&path(OTHER, file), reply);
        let problem = problem(&server).await;
        assert!(problem.starts_with(reason), "{problem}");
    }
    let server = start();
    put_sums(&server, OTHER, "garbage\n");
    assert!(problem(&server).await.starts_with("Malformed"));
    put_sums(&server, OTHER, "");
    assert!(problem(&server).await.contains("no ImageBuilder"));
}

#[tokio::test]
async fn unchanged_documents_are_downloaded_only_once() {
    let server = start();
    let first = read(&server, &request()).await;
    put(&server, OTHER, "r2-bb");
    server.forget();
    let second = read(&server, &ReadRequest { memory: first.memory, ..request() }).await;
    assert_eq!(second.version.ready[GOOD], first.version.ready[GOOD]);
    assert_eq!(second.version.ready[OTHER].version_code, "r2-bb");
    let asked = server.asked();
    assert!(!asked.contains(&path(GOOD, "profiles.json")), "{asked:?}");
    assert!(asked.contains(&path(OTHER, "profiles.json")), "{asked:?}");
}

#[tokio::test]
async fn documents_are_read_again_when_the_keys_change() {
    let server = start();
    let unsigned = ReadRequest { trust: Trust::Unsigned, ..request() };
    let memory = read(&server, &unsigned).await.memory;
    server.body(&path(OTHER, "sha256sums.sig"), "garbage");
    let read = read(&server, &ReadRequest { memory, ..request() }).await;
    assert_eq!(read.problems[OTHER].reason(), "BadSignature");
}

#[tokio::test]
async fn profiles_that_the_list_does_not_cover_are_read_every_time() {
    let server = start();
    put_sums(&server, OTHER, &format!("{} *{}\n", "0".repeat(64), image_builder(OTHER)));
    let first = read(&server, &request()).await;
    server.body(&path(OTHER, "profiles.json"), profiles(OTHER, "r2-bb"));
    let second = read(&server, &ReadRequest { memory: first.memory, ..request() }).await;
    assert_eq!(second.version.ready[OTHER].version_code, "r2-bb");
}

#[tokio::test]
async fn a_target_is_read_from_the_next_mirror_if_the_first_has_wrong_files() {
    for reason in ["AnotherDocument", "BadSignature"] {
        let (first, good) = (start(), start());
        if reason == "BadSignature" {
            first.body(&path(OTHER, "sha256sums.sig"), usign(&[0; 64]));
        } else {
            put_another(&first, &image_builder(OTHER), "version_number", "24.10.0");
        }
        let read =
            read_catalog(&client(&[&first, &good]), &request(), &Kept::default()).await.unwrap();
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        assert_eq!(read.version.ready.len(), 2);
        assert_eq!(read.faults.keys().collect::<Vec<_>>(), [OTHER]);
        let fault = &read.faults[OTHER];
        assert_eq!(fault.reason(), reason);
        let mirror = format!("http://127.0.0.1:{}/", first.url().port().unwrap());
        assert!(fault.to_string().starts_with(&mirror), "it names the mirror: {fault}");
    }
}

#[tokio::test]
async fn an_unavailable_mirror_is_not_a_problem_of_the_target() {
    let first = start();
    first.set(&path(OTHER, "sha256sums"), Reply::Status(503));
    let read =
        read_catalog(&client(&[&first, &start()]), &request(), &Kept::default()).await.unwrap();
    assert_eq!((read.version.ready.len(), read.faults.len()), (2, 0));
}

/// Reads a snapshot whose target is in the catalog with this revision.
fn snapshot(offered: &str, accepted: &[&str]) -> ReadRequest {
    ReadRequest {
        snapshot: true,
        offered: [(OTHER.parse().unwrap(), offered.to_owned())].into(),
        accepted: accepted.iter().map(|&revision| revision.to_owned()).collect(),
        ..request()
    }
}

#[tokio::test]
async fn a_snapshot_goes_back_only_to_accepted_revisions() {
    let server = start();
    for (offered, now, accepted, held) in [
        ("r10-bb", "r9-aa", &[][..], true),
        ("r10-bb", "r9-aa", &["r8-aa"][..], true),
        ("r10-bb", "r9-aa", &["r9-aa"][..], false),
        ("r9-aa", "r10-bb", &[][..], false),
        ("r9-aa", "r9-aa", &[][..], false),
        ("unknown", "r9-aa", &[][..], false),
    ] {
        put(&server, OTHER, now);
        let read = read(&server, &snapshot(offered, accepted)).await;
        assert_eq!(read.problems.contains_key(OTHER), held, "{offered} {now}");
        if held {
            assert_eq!(read.problems[OTHER].reason(), "OlderRevision");
        }
    }
    put(&server, OTHER, "r9-aa");
    let release = ReadRequest { snapshot: false, ..snapshot("r10-bb", &[]) };
    assert!(read(&server, &release).await.problems.is_empty(), "a release may be made anew");
}

#[tokio::test]
async fn a_lagging_mirror_does_not_hide_the_newer_snapshot_of_the_next_mirror() {
    let (lagging, current) = (start(), start());
    put(&lagging, OTHER, "r9-aa");
    put(&current, OTHER, "r11-cc");
    let mirrors = client(&[&lagging, &current]);
    let read = read_catalog(&mirrors, &snapshot("r10-bb", &[]), &Kept::default()).await.unwrap();
    assert_eq!(read.version.ready[OTHER].version_code, "r11-cc");
    assert_eq!(read.faults[OTHER].reason(), "OlderRevision");
}

#[tokio::test]
async fn an_image_builder_is_looked_up_in_the_list_of_each_mirror() {
    let (lagging, current) = (start(), start());
    put_sums(&lagging, OTHER, &format!("{} *{}\n", "0".repeat(64), image_builder(OTHER)));
    let folder = format!("releases/24.10.7/targets/{OTHER}");
    let digest = Digest::of(OTHER.as_bytes());
    let file = image_builder(OTHER);
    let check = async |mirrors: &[&Server], file: &str| {
        client(mirrors).check_listed(&folder, &trust(), file, &digest).await
    };
    check(&[&lagging, &current], &file).await.unwrap();
    assert_eq!(check(&[&lagging], &file).await.unwrap_err().reason(), "BadChecksum");
    assert!(check(&[&current], "another").await.unwrap_err().to_string().contains("not listed"));
}
